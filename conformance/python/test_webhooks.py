"""PyPI anchorbrowser: webhooks, with a receiver that checks signatures as the published documentation says."""

import hashlib
import hmac
import json
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer

import anchorbrowser
from support.server import GENERATION, HEADLESS, Suite, message, until


class Receiver:
    """Takes what is posted to it, and keeps each request's headers and body."""

    def __init__(self):
        self.posted = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posted.append((self.headers, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def signatures(headers):
    """Returns the moment of a delivery, and its signatures."""
    parts = [part.split("=", 1) for part in headers["Anchor-Signature"].split(",")]
    return dict(parts)["t"], [value for name, value in parts if name == "v1"]


def expected(secret, seconds, body):
    return hmac.new(secret.encode(), f"v0:{seconds}:".encode() + body, hashlib.sha256).hexdigest()


@unittest.skipIf(GENERATION < 1, "the older SDK has no webhooks")
class Webhooks(Suite):
    def setUp(self):
        super().setUp()
        self.webhooks = self.sdk.client.webhooks
        self.receiver = self.enterContext(Receiver())

    def create(self, *events):
        made = self.webhooks.create_webhook(url=self.receiver.url, subscribed_events=list(events), description="mine")
        self.addCleanup(self.webhooks.delete_webhook, made.id)
        return made

    def test_the_end_of_a_session_is_posted_and_signed(self):
        made = self.create("session.completed")
        with self.sdk.session(browser=HEADLESS) as session_id:
            pass
        [(headers, body)] = until(lambda: list(self.receiver.posted), lambda posted: posted)
        seconds, found = signatures(headers)
        self.assertEqual(found, [expected(made.secret, seconds, body)])
        self.assertEqual(seconds, headers["Anchor-Timestamp"])
        event = json.loads(body)
        self.assertEqual(list(event), ["id", "type", "created", "project_id", "text", "data"])
        self.assertEqual((event["type"], event["data"]["session_id"]), ("session.completed", session_id))
        self.assertEqual(event["project_id"], str(made.project_id))
        read = lambda: self.webhooks.list_webhook_events(made.id, status="succeeded").events
        [delivery] = until(read, lambda events: events)
        self.assertEqual((delivery.external_event_id, delivery.response_status), (event["id"], 204))
        self.assertEqual(delivery.id, headers["Anchor-Delivery-Id"])

    def test_a_webhook_is_changed_and_its_secret_rotated(self):
        made = self.create("session.failed")
        changed = self.webhooks.update_webhook(made.id, enabled=False, description="")
        self.assertEqual((changed.enabled, changed.description, str(changed.url)), (False, "", self.receiver.url))
        self.assertFalse(hasattr(self.webhooks.get_webhook(made.id), "secret"))
        self.assertIn(made.id, [webhook.id for webhook in self.webhooks.list_webhooks().webhooks])
        rotated = self.webhooks.rotate_webhook_secret(made.id)
        sent = self.webhooks.send_webhook_test_event(made.id, event_type="batch.failed")
        [(headers, body)] = until(lambda: list(self.receiver.posted), lambda posted: posted)
        seconds, found = signatures(headers)
        self.assertEqual(found, [expected(secret, seconds, body) for secret in (rotated.secret, made.secret)])
        self.assertEqual(json.loads(body)["id"], sent.external_event_id)

    def test_a_deleted_webhook_is_gone_and_the_sixth_is_refused(self):
        made = self.webhooks.create_webhook(url=self.receiver.url, subscribed_events=["task.failed"])
        self.assertTrue(self.webhooks.delete_webhook(made.id).ok)
        with self.assertRaises(anchorbrowser.NotFoundError):
            self.webhooks.get_webhook(made.id)
        for _ in range(5):
            self.create("task.failed")
        with self.assertRaises(anchorbrowser.ConflictError) as refused:
            self.create("task.failed")
        self.assertIn("5 webhooks", message(refused.exception))
