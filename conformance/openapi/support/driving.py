"""What bodies of operations on a page are given so that the page can do what they ask for, and soon."""

import os

#: A point in every viewport, in CSS pixels.
INSIDE = 8
#: The longest that anything is waited for, in milliseconds.
LONGEST_WAIT = 50
WAITS = {"timeout", "delay", "holdTime", "wait"}
POINTS = {"x", "y", "startX", "startY", "endX", "endY"}


def hurry(body):
    """Shortens waits that the server would accept; the rest of a body is as it was."""
    return {name: LONGEST_WAIT if name in WAITS and is_long(value) else value for name, value in body.items()}


def is_long(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > LONGEST_WAIT


def made_possible(operation, body):
    """A body for a page that is there: a URL that answers, points that it shows, keys that there are."""
    body = {name: INSIDE if name in POINTS else value for name, value in body.items()}
    if operation.endswith("/goto") or "/tools/" in operation:
        body["url"] = os.environ["DEMO_SITE_URL"] + "/whoami"
    if operation.endswith("/fetch-webpage"):
        body.pop("page_index", None)
    elif operation.endswith("lick"):
        body = {"x": INSIDE, "y": INSIDE}
    elif operation.endswith("/scroll"):
        body = {"x": INSIDE, "y": INSIDE, "deltaY": 1}
    elif operation.endswith("/shortcut"):
        body["keys"] = ["Control", "A"]
    return body
