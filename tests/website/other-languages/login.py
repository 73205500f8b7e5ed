"""Asks the bot whether a visitor may come in. Copy the function; the lines below it try it out."""

import json
import os
import urllib.error
import urllib.request


def access_login(username, code):
    """Returns in, out, wait (too many wrong codes for this username), or unavailable: then let nobody in."""
    request = urllib.request.Request(
        os.environ["ACCESS_BOT_URL"].rstrip("/") + "/v1/redeem",
        data=json.dumps({"username": username, "code": code}).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": "Bearer " + os.environ["ACCESS_BOT_TOKEN"],
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=3) as response:
            valid = json.load(response)["valid"]
    except urllib.error.HTTPError as error:
        return "wait" if error.code == 429 else "unavailable"
    except (OSError, ValueError, LookupError, TypeError):
        return "unavailable"
    return "in" if valid is True else "out" if valid is False else "unavailable"


if __name__ == "__main__":
    # Two lines on standard input: the username and the code.
    print(access_login(input(), input()))
