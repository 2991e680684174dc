"""The demo site, as a person in a browser uses it."""

from support.server import SITE_URL

READY = "html[data-ready]"
COMPLETE = {"user": "ada", "lost": []}


def sign_in(page):
    """Signs in by the form and returns the site's verdict."""
    page.goto(SITE_URL)
    page.fill("#user", "ada")
    page.fill("#password", "anchors-aweigh")
    page.click("button[type=submit]")
    page.wait_for_selector(READY)
    return _verdict(page)


def visit_account(page):
    """Opens the account page and returns the site's verdict on what the browser holds."""
    page.goto(f"{SITE_URL}/account")
    page.wait_for_selector(READY)
    return _verdict(page)


def _verdict(page):
    state = page.evaluate("window.__state")
    lost = [kind for kind, verdict in state["kinds"].items() if verdict != "kept"]
    return {"user": state["user"], "lost": lost}
