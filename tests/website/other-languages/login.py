"""Checks a username and a code at the bot, and counts one use. Copy all but the last lines, which run it."""

import json
import os
import urllib.error
import urllib.request
from typing import NamedTuple


class Login(NamedTuple):
    # in: the code is valid. Key your accounts by discord_user_id; username is as it was issued.
    # out: the code is invalid.
    # wait: too many wrong codes for this username.
    # unavailable: the bot cannot check codes right now. Let nobody in.
    result: str
    discord_user_id: str = ""
    username: str = ""


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None  # another server must not get the token, nor let anybody in


OPENER = urllib.request.build_opener(NoRedirects)


def access_login(username, code, client):
    """client is an address or device id of the visitor."""
    request = urllib.request.Request(
        os.environ["ACCESS_BOT_URL"].rstrip("/") + "/v1/redeem",
        data=json.dumps({"username": username, "code": code, "client": client}).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": "Bearer " + os.environ["ACCESS_BOT_TOKEN"],
        },
    )
    try:
        with OPENER.open(request, timeout=3) as response:
            verdict = json.load(response)
        if verdict["valid"] is True:
            return Login("in", verdict["discordUserId"], verdict["username"])
        return Login("out" if verdict["valid"] is False else "unavailable")
    except urllib.error.HTTPError as error:
        return Login({413: "out", 429: "wait"}.get(error.code, "unavailable"))
    except (OSError, ValueError, LookupError, TypeError):
        return Login("unavailable")


if __name__ == "__main__":
    # Three lines on standard input: the username, the code and the client.
    print("\n".join(filter(None, access_login(input(), input(), input()))))
