"""PyPI anchorbrowser: a session is recorded, and plays."""

import anchorbrowser
from support.server import GENERATION, HEADLESS, Suite, message, plain, until

#: A page that never looks the same for long.
MOVES = "<script>setInterval(() => { document.body.style.background = `hsl(${performance.now() % 360} 90% 50%)` }, 100)</script>"


class Recordings(Suite):
    def setUp(self):
        super().setUp()
        client = self.sdk.client
        if GENERATION >= 1:
            self.list, self.fetch = client.recordings.list_recordings, client.recordings.fetch_primary_recording
        else:
            self.list, self.fetch = client.sessions.recordings.list, client.sessions.recordings.primary.get

    def test_a_recording_plays_as_a_video(self):
        with self.sdk.session(browser=HEADLESS, session={"recording": {"active": True}}) as session_id:
            with self.sdk.first_page(session_id) as page:
                page.set_content(MOVES)
                until(lambda: plain(self.list(session_id))["items"], lambda items: items and items[0]["size"] > 100_000)
            if GENERATION >= 1:
                recordings = self.sdk.client.recordings
                recordings.pause_recording(session_id)
                self.assertEqual(plain(self.list(session_id))["items"][0]["status"], "paused")
                recordings.resume_recording(session_id)
                self.assertEqual(plain(self.list(session_id))["items"][0]["status"], "recording")
        items = plain(self.list(session_id))["items"]
        self.assertTrue(items[0]["is_primary"])
        video = self.fetch(session_id).read()
        self.assertEqual(video[4:8], b"ftyp")
        if GENERATION >= 1:
            self.sdk.client.recordings.delete_recording(session_id, items[0]["id"])
            self.assertEqual(plain(self.list(session_id))["items"], [])

    def test_a_session_that_is_not_recorded_has_none(self):
        with self.sdk.session(browser=HEADLESS, session={"recording": {"active": False}}) as session_id:
            with self.assertRaises(anchorbrowser.APIStatusError) as refused:
                self.fetch(session_id)
            self.assertIn(refused.exception.status_code, (400, 404))
            self.assertRegex(message(refused.exception), "[Rr]ecording")
