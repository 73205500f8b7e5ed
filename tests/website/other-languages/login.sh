#!/bin/sh
# Asks the bot whether a visitor may come in. Two lines on standard input: the username and the code.
# Prints in, out, wait (too many wrong codes for this username), or unavailable: then let nobody in.
# Ends with 0 for in alone.
#
#   printf '%s\n' "$username" "$code" | ACCESS_BOT_URL=https://bot.example ACCESS_BOT_TOKEN=... sh login.sh
#
# Code and token go by pipes: every process on the machine can see the arguments of a command.
IFS= read -r username
IFS= read -r code

json() {
  printf '%s' "$1" | tr -d '[:cntrl:]' | sed 's/[\\"]/\\&/g'
}

answer=$(
  printf '{"username":"%s","code":"%s"}' "$(json "$username")" "$(json "$code")" |
    curl --silent --max-time 3 --header @/dev/fd/3 --header 'Content-Type: application/json' \
      --data-binary @- --write-out ' %{http_code}' "${ACCESS_BOT_URL%/}/v1/redeem" 3<<END
Authorization: Bearer $ACCESS_BOT_TOKEN
END
)

case $answer in
'{"valid":true,'*' 200') echo in ;;
'{"valid":false,'*' 200') echo out; exit 1 ;;
*' 429') echo wait; exit 1 ;;
*) echo unavailable; exit 1 ;;
esac
