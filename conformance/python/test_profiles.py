"""PyPI anchorbrowser: profiles, with every documented answer in the SDK's own error classes."""

import unittest
import uuid

import anchorbrowser
import httpx
from support.server import HEADLESS, CountingTransport, Sdk, Suite, message, plain, unique


class Profiles(Suite):
    def refused(self, error_class, pattern, **profile):
        with self.assertRaises(error_class) as raised:
            self.sdk.create_profile(**profile)
        self.assertRegex(message(raised.exception), pattern)
        return raised.exception

    def test_a_name_alone_makes_an_empty_active_profile(self):
        name = unique()
        created = plain(self.sdk.create_profile(name=name, description="made by a test"))
        self.assertEqual(created["status"], "success")
        answer = self.sdk.get_profile(name)
        self.assertIsNotNone(answer.data.created_at.tzinfo, "timestamps carry their zone")
        profile = plain(answer)
        self.assertEqual(profile["name"], name)
        self.assertEqual(profile["description"], "made by a test")
        self.assertEqual(profile["status"], "active")

    def test_names_may_hold_spaces_slashes_and_any_script(self):
        for label in ("my profile", "team/a/../b", "100%", "a?b#c&d=e", "Ψ κόσμε 日本 🔑"):
            with self.subTest(label):
                name = unique(label)
                self.sdk.create_profile(name=name)
                self.assertEqual(plain(self.sdk.get_profile(name))["name"], name)
                listed = plain(self.sdk.list_profiles())
                self.assertEqual(listed["count"], len(listed["items"]))
                self.assertIn(name, [profile["name"] for profile in listed["items"]])
                self.assertEqual(plain(self.sdk.delete_profile(name))["status"], "success")
                with self.assertRaises(anchorbrowser.NotFoundError) as raised:
                    self.sdk.get_profile(name)
                self.assertEqual(message(raised.exception), "Profile not found.")

    def test_a_taken_name_is_refused_once_even_by_a_client_that_retries(self):
        name = unique()
        self.sdk.create_profile(name=name)
        transport = CountingTransport()
        stubborn = self.enterContext(Sdk(max_retries=2, http_client=httpx.Client(transport=transport)))
        with self.assertRaises(anchorbrowser.ConflictError) as raised:
            stubborn.create_profile(name=name)
        self.assertEqual(message(raised.exception), "Profile name already exists.")
        self.assertEqual(raised.exception.response.headers["x-should-retry"], "false")
        self.assertEqual(transport.requests, 1)

    def test_malformed_requests_are_refused_with_the_fields_name(self):
        bad_request = anchorbrowser.BadRequestError
        self.refused(bad_request, "name", name="")
        self.refused(bad_request, "name", name="x" * 256)
        self.refused(bad_request, "name", name="bell\a")
        self.refused(bad_request, "session_id", name=unique(), source="session")
        self.refused(bad_request, "session_id", name=unique(), source="session", session_id="no uuid")

    def test_a_session_that_does_not_run_cannot_be_saved(self):
        with self.sdk.session(browser=HEADLESS) as ended:
            pass
        for session_id in (str(uuid.uuid4()), ended):
            self.refused(
                anchorbrowser.NotFoundError,
                r"^Session not found or unreachable\.$",
                name=unique(),
                source="session",
                session_id=session_id,
            )

    def test_what_is_not_implemented_says_so(self):
        missing = r"^Feature not implemented\."
        error = self.refused(anchorbrowser.InternalServerError, missing, name=unique(), source="upload")
        self.assertEqual(error.status_code, 501)

    def test_a_dedicated_sticky_ip_is_one_profiles_alone(self):
        name = unique()
        self.sdk.create_profile(name=name, dedicated_sticky_ip=True)
        self.addCleanup(self.sdk.delete_profile, name)
        profile = plain(self.sdk.get_profile(name))
        self.assertEqual((profile["dedicated_sticky_ip"], profile["exit"]["address"]), (True, "127.0.0.71"))
        with self.sdk.session(browser={**HEADLESS, "profile": {"name": name}}) as session:
            self.assertEqual(plain(self.sdk.get_session(session))["proxy"]["address"], "127.0.0.71")
        impatient = self.enterContext(Sdk(max_retries=0))
        with self.assertRaises(anchorbrowser.InternalServerError) as raised:
            impatient.create_profile(name=unique(), dedicated_sticky_ip=True)
        self.assertEqual(raised.exception.status_code, 503)

    def test_a_profile_that_does_not_exist_is_not_found(self):
        with self.assertRaises(anchorbrowser.NotFoundError):
            self.sdk.delete_profile(unique())

    def test_a_wrong_key_opens_nothing(self):
        stranger = self.enterContext(Sdk(api_key="sk-00000000000000000000000000000000"))
        with self.assertRaises(anchorbrowser.AuthenticationError) as raised:
            stranger.list_profiles()
        self.assertEqual(message(raised.exception), "Invalid API Key")


if __name__ == "__main__":
    unittest.main()
