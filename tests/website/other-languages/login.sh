#!/bin/sh
# Checks a username and a code at the bot, and counts one use. Three lines on standard input: the username, the code,
# and the client, an address or device id of the visitor.
#
#   printf '%s\n' "$username" "$code" "$client" | ACCESS_BOT_URL=https://bot.example ACCESS_BOT_TOKEN=... sh login.sh
#
# Prints one of these, and exits with 0 for `in` only:
#   in, the Discord user id and the username as it was issued, in three lines: key your accounts by the id
#   out: the code is invalid
#   wait: too many wrong codes for this username
#   unavailable: the bot cannot check codes right now. Let nobody in.
#
# The code and the token are passed by pipes: every process on the machine can read the arguments of a command.

# The patterns below are for bytes: in other locales, control characters include line separators, which may surround a code.
export LC_ALL=C

quote() {
  printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"
}

field() {
  printf '%s' "$response" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

login() {
  IFS= read -r username
  IFS= read -r code
  IFS= read -r client
  # JSON cannot hold them as they are, and no username does.
  case $username$code$client in
  *[[:cntrl:]]*) echo out; return 1 ;;
  esac

  response=$(
    printf '{"username":%s,"code":%s,"client":%s}' "$(quote "$username")" "$(quote "$code")" "$(quote "$client")" |
      curl --silent --max-time 3 --header @/dev/fd/3 --header 'Content-Type: application/json' \
        --data-binary @- --write-out ' %{http_code}' "${ACCESS_BOT_URL%/}/v1/redeem" 3<<END
Authorization: Bearer $ACCESS_BOT_TOKEN
END
  )

  case $response in
  '{"valid":true,'*'"discordUserId":"'[0-9]*' 200') printf '%s\n' in "$(field discordUserId)" "$(field username)" ;;
  '{"valid":false,'*' 200' | *' 413') echo out; return 1 ;;
  *' 429') echo wait; return 1 ;;
  *) echo unavailable; return 1 ;;
  esac
}

# `read` drops NUL, so it becomes another control character first. Other white space becomes spaces.
tr '\000\t\v\f\r' '\001    ' | login
