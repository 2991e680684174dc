"""PyPI anchorbrowser: webhooks, as their receiver sees them."""

import hashlib
import hmac
import http.server
import json
import threading
import unittest

import anchorbrowser
from support.server import GENERATION, HEADLESS, Suite, until


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append((self.headers["anchor-signature"], body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        """Says nothing."""


@unittest.skipIf(GENERATION < 1, "the older SDK has no webhooks")
class Webhooks(Suite):
    def setUp(self):
        super().setUp()
        self.webhooks = self.sdk.client.webhooks
        self.receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        self.receiver.received = []
        self.addCleanup(self.receiver.server_close)
        threading.Thread(target=self.receiver.serve_forever).start()
        self.addCleanup(self.receiver.shutdown)
        self.url = f"http://127.0.0.1:{self.receiver.server_port}/hook"

    def received(self, count):
        """Waits for so many deliveries, and returns the event of each with the signatures it came with."""
        until(lambda: self.receiver.received, lambda received: len(received) >= count)
        return [(json.loads(body), signature, body) for signature, body in self.receiver.received]

    def assert_signed(self, signature, body, secret):
        parts = [part.split("=", 1) for part in signature.split(",")]
        moment = next(value for name, value in parts if name == "t")
        digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
        self.assertIn(digest, [value for name, value in parts if name == "v1"])

    def test_a_webhook_from_its_first_event_to_its_end(self):
        made = self.webhooks.create_webhook(url=self.url, subscribed_events=["session.completed"], description="harbour")
        self.addCleanup(self.delete, made.id)
        with self.sdk.session(browser=HEADLESS) as session_id:
            pass
        ((event, signature, body),) = self.received(1)
        self.assertEqual(event["type"], "session.completed")
        self.assertIn(session_id, json.dumps(event["data"]))
        self.assert_signed(signature, body, made.secret)

        rotated = self.webhooks.rotate_webhook_secret(made.id)
        self.assertNotEqual(rotated.secret, made.secret)
        self.webhooks.send_webhook_test_event(made.id, event_type="session.completed")
        _, (event, signature, body) = self.received(2)
        for secret in made.secret, rotated.secret:
            self.assert_signed(signature, body, secret)

        log = until(
            lambda: self.webhooks.list_webhook_events(made.id, status="succeeded").model_dump(mode="json")["events"],
            lambda events: len(events) == 2,
        )
        self.assertEqual({told["event_type"] for told in log}, {"session.completed"})
        updated = self.webhooks.update_webhook(made.id, enabled=False)
        self.assertFalse(updated.enabled)
        self.assertEqual(self.webhooks.get_webhook(made.id).description, "harbour")
        self.assertIn(made.id, [webhook.id for webhook in self.webhooks.list_webhooks().webhooks])
        self.delete(made.id)
        with self.assertRaises(anchorbrowser.NotFoundError):
            self.webhooks.get_webhook(made.id)

    def delete(self, webhook_id):
        try:
            self.webhooks.delete_webhook(webhook_id)
        except anchorbrowser.NotFoundError:
            pass
