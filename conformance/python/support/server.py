"""The server under test, as the unmodified SDK reaches it.

The suites run once per SDK generation. The generations name the same calls differently (`profiles.create` became
`profiles.create_profile`), so `Sdk` gives them one name each and changes nothing else.
"""

import os
import time
import unittest
import uuid
from contextlib import contextmanager

import anchorbrowser
import httpx
from anchorbrowser import Anchorbrowser, AsyncAnchorbrowser


def _required(name):
    value = os.environ.get(name)
    if not value:
        raise SystemExit(f"set {name}: the suites run against a server and a demo site that already run")
    return value.rstrip("/")


SERVER_URL = _required("ROADSTEAD_URL")
API_KEY = _required("ROADSTEAD_API_KEY")
SITE_URL = _required("DEMO_SITE_URL")

GENERATION = int(anchorbrowser.__version__.split(".")[0])

HEADLESS = {"headless": {"active": True}}


def unique(label="profile"):
    """Returns a name that no other test uses."""
    return f"{label} {uuid.uuid4()}"


def plain(answer):
    """Turns an answer into the `data` that was on the wire: undeclared fields are kept, timestamps are text."""
    if isinstance(answer, dict):
        return answer
    told = answer.model_dump(mode="json", exclude_unset=True, warnings=False)
    return told.get("data", told)  # some calls of the older SDK return `data` itself


def until(read, accept, seconds=30):
    """Reads again and again until `accept` likes what it reads, and returns that."""
    deadline = time.monotonic() + seconds
    while not accept(value := read()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still {value} after {seconds} s")
        time.sleep(0.05)
    return value


class Sdk:
    """One client, its calls under one name for both generations."""

    def __init__(self, **options):
        self.client = Anchorbrowser(**{"base_url": SERVER_URL, "api_key": API_KEY, "timeout": 120, **options})
        profiles, sessions = self.client.profiles, self.client.sessions
        if GENERATION >= 1:
            self.create_profile = profiles.create_profile
            self.get_profile = profiles.get_profile
            self.list_profiles = profiles.list_profiles
            self.delete_profile = profiles.delete_profile
            self.create_session = sessions.create_session
            self.get_session = sessions.get_session
            self.delete_session = sessions.delete_session
            self.all_sessions_status = sessions.get_all_sessions_status
            self.delete_all_sessions = sessions.delete_all_sessions
        else:
            self.create_profile = profiles.create
            self.get_profile = profiles.retrieve
            self.list_profiles = profiles.list
            self.delete_profile = profiles.delete
            self.create_session = sessions.create
            self.get_session = sessions.retrieve
            self.delete_session = sessions.delete
            self.all_sessions_status = sessions.all.status
            self.delete_all_sessions = sessions.all.delete

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def end(self, session_id):
        """Ends a session and returns the answer, receipts and all."""
        return plain(self.delete_session(session_id))

    @contextmanager
    def session(self, **configuration):
        """Starts a session, yields its id, and ends it whatever happens."""
        session_id = plain(self.create_session(**configuration))["id"]
        try:
            yield session_id
        finally:
            self.delete_session(session_id)

    @contextmanager
    def first_page(self, session_id):
        """Connects with the SDK's own helper and yields the page that every session starts with."""
        with self.client.browser.connect(session_id) as browser:
            yield browser.contexts[0].pages[0]


def async_client():
    """Returns the SDK's asynchronous client."""
    return AsyncAnchorbrowser(base_url=SERVER_URL, api_key=API_KEY, timeout=120)


class Suite(unittest.TestCase):
    """A test case with a client; it leaves no session running, whatever failed."""

    def setUp(self):
        self.sdk = self.enterContext(Sdk())
        self.addCleanup(self.sdk.delete_all_sessions)

    def running(self):
        return {session["session_id"] for session in plain(self.sdk.all_sessions_status())["items"]}


class CountingTransport(httpx.HTTPTransport):
    """Counts the requests that really leave the client."""

    requests = 0

    def handle_request(self, request):
        self.requests += 1
        return super().handle_request(request)


def message(error):
    """Returns the API's own message in an SDK error."""
    detail = error.body["error"]
    assert detail["code"] == error.status_code, detail
    return detail["message"]
