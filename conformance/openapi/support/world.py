"""Real things for random requests to meet: sessions, profiles with revisions, tokens.

They are made when first asked for, with the key, also for the run that has none: what exists must refuse a stranger just as
what does not. Requests that end or change a thing get one of their own.
"""

import itertools
import os
import threading
import time
import urllib.parse

import requests

#: How long a stream of events is listened to before its profile is deleted, which ends it. In seconds.
EVENTS_LAST = 0.3
#: What every call of the world itself may take, in seconds.
PATIENCE = 30
#: How often what is waited for is looked at, in seconds.
PAUSE = 0.02

#: The run that has no key.
STRANGER = "stranger"

HEADLESS = {"headless": {"active": True}}
#: Operations after which a session, or a profile, is not what it was.
SPENDS_SESSION = {"DELETE /v1/sessions/{session_id}"}
#: Operations after which a batch is not what it was.
SPENDS_BATCH = {
    "DELETE /v1/batch-sessions/{batch_id}",
    "PATCH /v1/batch-sessions/{batch_id}",
    "POST /v1/batch-sessions/{batch_id}/retry",
}
SPENDS_PROFILE = {"DELETE /v1/profiles/{name}", "PUT /v1/profiles/{name}", "GET /v1/profiles/{name}/events"}

#: Operations that not every revision will do for.
DELETES_REVISION = "DELETE /v1/profiles/{name}/revisions/{revision}"
PROMOTES_REVISION = "POST /v1/profiles/{name}/revisions/{revision}/promote"


class World:
    """What exists on the server under test. Every name in it is made by counting, so that two runs are alike."""

    def __init__(self):
        self.url = os.environ["ROADSTEAD_URL"]
        self.http = requests.Session()
        self.http.headers["anchor-api-key"] = os.environ["ROADSTEAD_API_KEY"]
        self.numbers = itertools.count(1)
        self.session = None
        self.profile = None
        self.saver = None
        self.batch = None
        self.request = None
        self.download = None
        self.webhook = None
        self.identity = None
        self.run = os.environ["ROADSTEAD_RUN"]

    def parameters_for(self, operation: str) -> dict:
        """Returns path parameters of things that exist, for an operation such as `GET /v1/profiles/{name}`."""
        if operation.startswith("DELETE /v1/sessions/{session_id}/tokens/"):
            return self.token()
        if "{download_id}" in operation:
            return self.kept_download()
        if "{session_id}" in operation:
            return {"session_id": self.spent_session() if operation in SPENDS_SESSION else self.kept_session()}
        if "{batch_id}" in operation:
            return {"batch_id": self.spent_batch(operation) if operation in SPENDS_BATCH else self.kept_batch()}
        if "{request_id}" in operation:
            return {"request_id": self.kept_request()}
        if "{webhook_id}" in operation:
            return {"webhook_id": self.spent_webhook() if operation.startswith("DELETE") else self.kept_webhook()}
        if "{application_id}" in operation:
            return self.application(operation)
        if "{identity_id}" in operation:
            return {"identity_id": (self.spent_identity() if operation.startswith("DELETE") else self.kept_identity())["id"]}
        if "{event_name}" in operation:
            return {"event_name": self.kept_signal() if operation.endswith("/wait") else self.new_name()}
        if "/exits/{name}" in operation:
            return {"name": "pier"}
        if "{revision}" in operation:
            return self.revision(operation)
        if operation in SPENDS_PROFILE:
            return {"name": self.new_profile()}
        return {"name": self.kept_profile()} if "{name}" in operation else {}

    def call(self, method: str, path: str, body=None):
        answer = self.http.request(method, self.url + path, json=body, timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json()["data"]

    def create(self, path: str, body: dict) -> dict:
        """Makes something whose answer is bare."""
        answer = self.http.post(self.url + path, json=body, timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json()

    def exists(self, path: str) -> bool:
        return self.http.get(self.url + path, timeout=PATIENCE).status_code == 200

    def runs(self, session: str | None) -> bool:
        return session is not None and self.call("GET", f"/v1/sessions/{session}")["status"] == "running"

    def new_name(self) -> str:
        return f"{self.run} {next(self.numbers)}"

    def new_session(self, session=None, **browser) -> str:
        return self.call("POST", "/v1/sessions", {"session": session or {}, "browser": HEADLESS | browser})["id"]

    def end_session(self, session: str):
        self.http.delete(f"{self.url}/v1/sessions/{session}", timeout=PATIENCE)

    def spent_session(self) -> str:
        """One that may be ended. A stranger's request must not: for those it is the one that all others are about."""
        return self.kept_session() if self.run == STRANGER else self.new_session()

    def kept_session(self) -> str:
        """One that runs. Like all that is kept, it is made anew when it is gone: random requests try ids that they have seen
        in answers."""
        if not self.runs(self.session):
            self.session = self.new_session()
        return self.session

    def new_batch(self, profile: dict) -> str:
        configuration = {"browser": HEADLESS | {"profile": profile}}
        return self.call("POST", "/v1/batch-sessions", {"count": 2, "configuration": configuration})["batch_id"]

    def failed_batch(self) -> str:
        """One that has come to nothing: its profile does not exist."""
        batch = self.new_batch({"name": "nobody"})
        deadline = time.monotonic() + PATIENCE
        while self.call("GET", f"/v1/batch-sessions/{batch}")["status"] != "failed":
            assert time.monotonic() < deadline, "a batch that cannot be does not fail"
            time.sleep(PAUSE)
        return batch

    def waiting_batch(self) -> str:
        """One that waits for a revision that its profile will not have."""
        return self.new_batch({"name": self.kept_profile(), "min_revision": 1 << 40, "wait_seconds": 600})

    def spent_batch(self, operation: str) -> str:
        """One that may be changed. A stranger's request must not."""
        if self.run == STRANGER:
            return self.kept_batch()
        return self.waiting_batch() if operation.startswith("PATCH") else self.failed_batch()

    def kept_batch(self) -> str:
        if self.batch is None or not self.exists(f"/v1/batch-sessions/{self.batch}"):
            self.batch = self.failed_batch()
        return self.batch

    def delete_batch(self, batch: str):
        """Also what was asked for as a single session is a batch, of one."""
        self.http.delete(f"{self.url}/v1/batch-sessions/{batch}", timeout=PATIENCE)

    def kept_request(self) -> str:
        if self.request is None or not self.exists(f"/v1/sessions/async/{self.request}/status"):
            body = {"browser": HEADLESS | {"profile": {"name": "nobody"}}}
            self.request = self.call("POST", "/v1/sessions/async", body)["request_id"]
        return self.request

    def kept_signal(self) -> str:
        """The name of an event that was signaled, and not waited for."""
        name = self.new_name()
        self.call("POST", f"/v1/events/{name}", {"data": {"number": 1}})
        return name

    def new_profile(self) -> str:
        return self.call("POST", "/v1/profiles", {"name": self.new_name()})["name"]

    def kept_profile(self) -> str:
        """A profile with a session that saves into it, and with revisions to look at, to go back to and to delete."""
        if not self.runs(self.saver) or not self.exists(f"/v1/profiles/{self.profile}/revisions/1"):
            if self.saver is not None:
                self.end_session(self.saver)
            self.profile = self.new_name()
            self.saver = self.new_session(profile={"name": self.profile, "persist": True})
            self.add_revision()
            self.add_revision()
        return self.profile

    def add_revision(self):
        self.call("POST", f"/v1/profiles/{self.profile}/checkpoint", {"session_id": self.saver})

    def revision(self, operation: str) -> dict:
        """The oldest there is; the head where only that will do; for a deletion one that is neither the head nor pinned."""
        name = self.kept_profile()
        if operation == DELETES_REVISION and self.run != STRANGER:
            self.add_revision()
            self.add_revision()
        numbers = sorted(item["revision"] for item in self.call("GET", f"/v1/profiles/{name}/revisions")["items"])
        return {"name": name, "revision": numbers[{DELETES_REVISION: -2, PROMOTES_REVISION: -1}.get(operation, 0)]}

    def new_webhook(self) -> str:
        body = {"url": "https://app.example.com/hooks", "subscribed_events": ["task.failed"]}
        return self.create("/v1/webhooks", body)["id"]

    def delete_webhook(self, webhook: str):
        self.http.delete(f"{self.url}/v1/webhooks/{webhook}", timeout=PATIENCE)

    def spent_webhook(self) -> str:
        """One that may be deleted. A stranger's request must not."""
        return self.kept_webhook() if self.run == STRANGER else self.new_webhook()

    def kept_webhook(self) -> str:
        if self.webhook is None or not self.exists(f"/v1/webhooks/{self.webhook}"):
            self.webhook = self.new_webhook()
        return self.webhook

    def new_identity(self) -> dict:
        return self.create("/v1/identities", {"source": "https://app.example.com", "applicationName": self.new_name()})

    def spent_identity(self) -> dict:
        """One that may be deleted, with its application. A stranger's request must not."""
        return self.kept_identity() if self.run == STRANGER else self.new_identity()

    def kept_identity(self) -> dict:
        if self.identity is None or not self.exists(f"/v1/identities/{self.identity['id']}"):
            self.identity = self.new_identity()
        return self.identity

    def application(self, operation: str) -> dict:
        """An application with an identity, and with an authentication flow where one is asked for."""
        is_spent = operation == "DELETE /v1/applications/{application_id}"
        application = (self.spent_identity() if is_spent else self.kept_identity())["application_id"]
        if "{auth_flow_id}" not in operation:
            return {"application_id": application}
        flow = self.create(f"/v1/applications/{application}/auth-flows", {"name": "flow", "methods": ["custom"]})
        return {"application_id": application, "auth_flow_id": flow["id"]}

    def token(self) -> dict:
        session = self.kept_session()
        minted = self.call("POST", f"/v1/sessions/{session}/tokens", {})
        return {"session_id": session, "token": minted["tokens"][0]["id"]}

    def kept_download(self) -> dict:
        """One that is there; it stays when its session ends. The fake browser downloads what is at such an address."""
        if self.download is None:
            session = self.new_session({"initial_url": "https://site.example/fake-download"})
            deadline = time.monotonic() + PATIENCE
            while not (items := self.call("GET", f"/v1/sessions/{session}/downloads")["items"]):
                assert time.monotonic() < deadline, "nothing was downloaded"
                time.sleep(0.01)
            self.download = {"session_id": session, "download_id": items[0]["id"]}
        return self.download

    def end_soon(self, profile: str):
        """Ends a stream of a profile's events."""
        delete = f"{self.url}/v1/profiles/{urllib.parse.quote(profile, safe='')}"
        timer = threading.Timer(EVENTS_LAST, requests.delete, (delete,), {"headers": self.http.headers})
        timer.daemon = True
        timer.start()
