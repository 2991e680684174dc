"""PyPI anchorbrowser: sessions that start later, many at once, their history and price, and events between them."""

import threading
import unittest

import anchorbrowser
from support.server import GENERATION, HEADLESS, Suite, plain, unique, until


class Events(Suite):
    def setUp(self):
        super().setUp()
        events = self.sdk.client.events
        self.signal = events.signal_event if GENERATION >= 1 else events.signal
        self.wait = events.wait_for_event if GENERATION >= 1 else events.wait_for

    def test_a_signal_wakes_who_waits_and_is_kept_for_who_comes_later(self):
        early, late = unique("event"), unique("event")
        heard = []
        waiting = threading.Thread(target=lambda: heard.append(plain(self.wait(late, timeout_ms=30_000))))
        waiting.start()
        self.signal(early, data={"code": "123"})
        self.signal(late, data={"code": "456"})
        waiting.join()
        self.assertEqual(heard, [{"code": "456"}])
        self.assertEqual(plain(self.wait(early, timeout_ms=30_000)), {"code": "123"})
        # What was heard is heard once.
        with self.assertRaises(anchorbrowser.APIStatusError) as refused:
            self.wait(early, timeout_ms=10)
        self.assertEqual(refused.exception.status_code, 408)


@unittest.skipIf(GENERATION < 1, "the older SDK has none of these")
class Many(Suite):
    def test_a_session_that_starts_later(self):
        sessions = self.sdk.client.sessions
        asked = plain(sessions.create_session_async(browser=HEADLESS))
        started = until(
            lambda: plain(sessions.get_async_session_status(asked["request_id"])), lambda told: told["status"] == "ready"
        )
        session_id = started["session"]["session_id"]
        self.assertIn(session_id, self.running())
        self.assertTrue(plain(sessions.get_session_pages(session_id)))
        listed = plain(sessions.list_sessions(sort_by="created_at", sort_order="desc", limit=50))
        self.assertIn(session_id, [session["id"] for session in listed["sessions"]])

    def test_a_batch_from_its_order_to_its_end(self):
        batches = self.sdk.client.batch_sessions
        batch_id = plain(batches.create_batch_session(count=2, configuration={"browser": HEADLESS}))["batch_id"]
        done = until(lambda: plain(batches.get_batch_session(batch_id)), lambda batch: batch["status"] == "completed")
        self.assertEqual(done["completed_requests"], 2)
        self.assertEqual(len(self.running()), 2)
        self.assertIn(batch_id, str(plain(batches.list_batch_sessions())))
        with self.assertRaises(anchorbrowser.APIStatusError) as refused:
            batches.update_batch_session(batch_id, status="cancelled")
        self.assertIn(refused.exception.status_code, (400, 409))
        with self.assertRaises(anchorbrowser.APIStatusError) as refused:
            batches.retry_batch_session(batch_id)
        self.assertIn(refused.exception.status_code, (400, 409))
        batches.delete_batch_session(batch_id)
        with self.assertRaises(anchorbrowser.NotFoundError):
            batches.get_batch_session(batch_id)

    def test_the_history_counts_and_nothing_costs(self):
        with self.sdk.session(browser=HEADLESS):
            pass
        history = plain(self.sdk.client.sessions.get_sessions_history())
        self.assertTrue(history)
        billing = plain(self.sdk.client.billing.get_billing())
        self.assertEqual((billing["tier"], billing["credits_used"]), ("self_hosted", 0))
