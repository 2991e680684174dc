"""PyPI anchorbrowser: sessions, and the SDK's own ways of connecting to them."""

import asyncio
import unittest
import uuid

import anchorbrowser
from support.server import GENERATION, HEADLESS, SITE_URL, Suite, async_client, message, plain, unique, until

EVERYTHING = {
    "session": {
        "initial_url": f"{SITE_URL}/account",
        "tags": ["conformance", "full body"],
        "recording": {"active": False},
        "timeout": {"max_duration": 10, "idle_timeout": 2},
        "live_view": {"read_only": False},
    },
    "browser": {
        "adblock": {"active": True},
        "popup_blocker": {"active": True},
        "captcha_solver": {"active": False},
        "headless": {"active": True},
        "viewport": {"width": 1024, "height": 768},
        "fullscreen": {"active": False},
        "p2p_download": {"active": False},
        "extensions": [],
        "disable_web_security": {"active": False},
        "extra_stealth": {"active": False},
        "force_popups_as_tabs": {"active": False},
    },
    "integrations": [],
    "identities": [],
}


class Sessions(Suite):
    def test_the_full_documented_body_starts_the_session_that_it_describes(self):
        with self.sdk.session(**EVERYTHING) as session_id:
            details = plain(self.sdk.get_session(session_id))
            self.assertEqual(details["session_id"], session_id)
            self.assertEqual(details["status"], "running")
            self.assertEqual(details["tags"], ["conformance", "full body"])
            self.assertEqual(details["configuration"], EVERYTHING)
            with self.sdk.first_page(session_id) as page:
                page.wait_for_url(f"{SITE_URL}/account")
                self.assertEqual(page.evaluate("[innerWidth, innerHeight]"), [1024, 768])

    def test_browser_create_starts_a_session_and_connects_to_it(self):
        before = self.running()
        with self.sdk.client.browser.create() as browser:
            page = browser.contexts[0].pages[0]
            page.goto(SITE_URL)
            self.assertEqual(page.title(), "Sign in · Harbour Library")
            self.assertEqual(page.evaluate("[innerWidth, innerHeight]"), [1440, 900])
        (session_id,) = self.running() - before
        self.assertEqual(self.sdk.end(session_id)["status"], "success")

    def test_the_asynchronous_client_connects_too(self):
        async def title(session_id):
            async with async_client() as client, await client.browser.connect(session_id) as browser:
                page = browser.contexts[0].pages[0]
                await page.goto(SITE_URL)
                return await page.title()

        with self.sdk.session(browser=HEADLESS) as session_id:
            self.assertEqual(asyncio.run(title(session_id)), "Sign in · Harbour Library")

    def test_an_ended_session_says_how_it_ended(self):
        with self.sdk.session(browser=HEADLESS) as session_id:
            pass
        details = plain(self.sdk.get_session(session_id))
        self.assertEqual((details["status"], details["reason"]), ("completed", "requested"))

    def test_what_would_mislead_is_refused(self):
        with self.assertRaises(anchorbrowser.BadRequestError) as raised:
            self.sdk.create_session(browser={**HEADLESS, "captcha_solver": {"active": True}})
        self.assertEqual(message(raised.exception), "CAPTCHA solver requires proxy to be active.")
        with self.assertRaises(anchorbrowser.NotFoundError) as raised:
            self.sdk.create_session(browser={**HEADLESS, "profile": {"name": unique()}})
        self.assertEqual(message(raised.exception), "Profile not found.")

    @unittest.skipIf(GENERATION < 1, "the older SDK has no such calls")
    def test_a_session_can_be_started_without_waiting_for_it(self):
        sessions = self.sdk.client.sessions
        asked = plain(sessions.create_session_async(browser=HEADLESS))
        self.assertEqual((asked["status"], asked["session_id"]), ("pending", None))
        ready = until(
            lambda: plain(sessions.get_async_session_status(asked["request_id"])), lambda it: it["status"] == "ready"
        )
        with self.sdk.first_page(ready["session"]["session_id"]) as page:
            self.assertEqual(page.evaluate("1 + 1"), 2)

    @unittest.skipIf(GENERATION < 1, "the older SDK has no such calls")
    def test_a_batch_comes_up_is_retried_and_deleted(self):
        batches = self.sdk.client.batch_sessions
        created = plain(batches.create_batch_session(count=2, configuration={"browser": HEADLESS}))
        batch_id = created["batch_id"]
        done = until(lambda: plain(batches.get_batch_session(batch_id)), lambda it: it["status"] == "completed")
        self.assertEqual((done["completed_requests"], len(done["sessions"])), (2, 2))
        with self.assertRaises(anchorbrowser.ConflictError):
            batches.update_batch_session(batch_id, status="cancelled")
        with self.assertRaises(anchorbrowser.BadRequestError) as raised:
            batches.retry_batch_session(batch_id)
        self.assertEqual(message(raised.exception), "No failed sessions to retry")
        listed = plain(batches.list_batch_sessions(limit=100))
        self.assertIn(batch_id, [batch["batch_id"] for batch in listed["batches"]])
        self.assertEqual(plain(batches.delete_batch_session(batch_id))["deleted_sessions"], 2)
        self.assertEqual(self.running(), set())

    @unittest.skipIf(GENERATION < 1, "the older SDK has no such calls")
    def test_what_sessions_used_is_told_and_nothing_is_charged(self):
        with self.sdk.session(browser=HEADLESS):
            pass
        metrics = ["session_count", "session_hours"]
        history = self.sdk.client.sessions.get_sessions_history(granularity="month", metrics=metrics)
        self.assertGreaterEqual(history.data[-1].session_count, 1)
        self.assertIsNotNone(history.summary.total_session_hours)
        self.assertEqual(history.pagination.current_page, 1)
        billing = plain(self.sdk.client.billing.get_billing())
        self.assertEqual((billing["tier"], billing["max_concurrent_browsers"]), ("self_hosted", -1))

    @unittest.skipIf(GENERATION < 1, "the older SDK names these calls differently")
    def test_an_event_that_was_signaled_goes_to_the_one_who_waits_later(self):
        events, name = self.sdk.client.events, unique("event")
        events.signal_event(name, data={"code": "123456"})
        self.assertEqual(events.wait_for_event(name, timeout_ms=10_000).data, {"code": "123456"})
        with self.assertRaises(anchorbrowser.APIStatusError) as raised:
            events.wait_for_event(name, timeout_ms=10)
        self.assertEqual(raised.exception.status_code, 408)

    def test_a_session_that_does_not_exist_is_not_found(self):
        for call in (self.sdk.get_session, self.sdk.delete_session):
            with self.assertRaises(anchorbrowser.NotFoundError) as raised:
                call(str(uuid.uuid4()))
            self.assertEqual(message(raised.exception), "Session not found.")

    def test_all_sessions_can_be_ended_at_once(self):
        for _ in range(2):
            self.sdk.create_session(browser=HEADLESS)
        self.assertEqual(len(self.running()), 2)
        self.assertEqual(plain(self.sdk.delete_all_sessions())["status"], "success")
        self.assertEqual(self.running(), set())


if __name__ == "__main__":
    unittest.main()
