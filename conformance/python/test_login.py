"""PyPI anchorbrowser: the main job. A logged-in browser becomes a profile, and comes back logged in."""

import unittest

from support.demo_site import COMPLETE, sign_in, visit_account
from support.server import HEADLESS, Suite, plain, unique

FULL = {"headless": {"active": False}}


class Login(Suite):
    def setUp(self):
        super().setUp()
        self.name = unique("team / login")

    def start(self, browser):
        return plain(self.sdk.create_session(browser=browser))["id"]

    def sign_in(self, session_id):
        with self.sdk.first_page(session_id) as page:
            self.assertEqual(sign_in(page), COMPLETE)

    def assert_saved(self, ended, revision):
        self.assertEqual(ended["status"], "success")
        receipts = [(receipt["profile"], receipt["status"], receipt["revision"]) for receipt in ended["receipts"]]
        self.assertEqual(receipts, [(self.name, "saved", revision)])

    def assert_comes_back(self, build):
        with self.sdk.session(browser={**build, "profile": {"name": self.name}}) as session_id:
            with self.sdk.first_page(session_id) as page:
                self.assertEqual(visit_account(page), COMPLETE)

    def test_a_profile_created_from_a_running_session(self):
        session_id = self.start(HEADLESS)
        self.sign_in(session_id)
        self.sdk.create_profile(name=self.name, source="session", session_id=session_id)
        self.assertEqual(plain(self.sdk.get_profile(self.name))["status"], "pending")
        self.assert_saved(self.sdk.end(session_id), revision=1)
        profile = plain(self.sdk.get_profile(self.name))
        self.assertEqual((profile["status"], profile["session_id"]), ("active", session_id))
        self.assert_comes_back(HEADLESS)

    def test_a_profile_persisted_by_the_session(self):
        profile = {"name": self.name, "persist": True}
        session_id = self.start({**FULL, "profile": profile})
        self.sign_in(session_id)
        self.assert_saved(self.sdk.end(session_id), revision=1)
        self.assert_comes_back(FULL)


if __name__ == "__main__":
    unittest.main()
