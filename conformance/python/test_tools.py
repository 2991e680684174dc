"""PyPI anchorbrowser: tools, in a session and without one."""

import anchorbrowser
from support.server import GENERATION, HEADLESS, SITE_URL, Suite, message


class Tools(Suite):
    def test_a_picture_without_a_session(self):
        before = self.running()
        picture = self.sdk.client.tools.screenshot_webpage(url=SITE_URL, width=500, height=300, capture_full_height=False)
        data = picture.read()
        self.assertEqual(data[1:4], b"PNG")
        self.assertEqual([int.from_bytes(data[at : at + 4]) for at in (16, 20)], [500, 300])
        self.assertEqual(self.running(), before)

    def test_a_page_in_a_session(self):
        with self.sdk.session(browser=HEADLESS) as session_id:
            tools = self.sdk.client.tools
            if GENERATION >= 1:
                pdf = tools.create_page_pdf(url=SITE_URL, session_id=session_id, print_background=True, margin_top=0.5)
                self.assertEqual(pdf.read()[:5], b"%PDF-")
            else:
                html = tools.fetch_webpage(url=SITE_URL, format="html", session_id=session_id)
                self.assertIn("Sign in", html)
            picture = tools.screenshot_webpage(session_id=session_id, wait=10)
            self.assertEqual(picture.read()[1:4], b"PNG")

    def test_what_needs_somebody_elses_machine_says_so(self):
        with self.assertRaises(anchorbrowser.InternalServerError) as refused:
            self.sdk.client.tools.perform_web_task(prompt="Find the harbour")
        self.assertEqual(refused.exception.status_code, 501)
        self.assertRegex(message(refused.exception), r"^Feature not implemented\. .* cdp_url\.$")
