"""PyPI anchorbrowser: sessions, and the SDK's own ways of connecting to them."""

import asyncio
import unittest
import uuid

import anchorbrowser
from support.server import HEADLESS, SITE_URL, Suite, async_client, message, plain, unique

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
