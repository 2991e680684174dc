"""PyPI anchorbrowser: extensions run in sessions that name them, and certificates are kept."""

import io
import json
import unittest
import zipfile

import anchorbrowser
from support.server import GENERATION, HEADLESS, SITE_URL, Suite, message, plain, unique

MANIFEST = {
    "manifest_version": 3,
    "name": "Harbour",
    "version": "1.0",
    "content_scripts": [{"matches": ["<all_urls>"], "js": ["mark.js"]}],
}


def archive():
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as into:
        into.writestr("manifest.json", json.dumps(MANIFEST))
        into.writestr("mark.js", "document.documentElement.dataset.extension = 'harbour'")
    return written.getvalue()


class Extensions(Suite):
    def listed(self):
        extensions = self.sdk.client.extensions
        answer = extensions.list_extensions() if GENERATION >= 1 else extensions.list()
        return [str(extension.id) for extension in answer.data]

    def test_the_list(self):
        self.assertIsInstance(self.listed(), list)

    @unittest.skipIf(GENERATION < 1, "the older SDK only lists them")
    def test_one_runs_in_a_full_browser_and_is_refused_by_the_other(self):
        extensions = self.sdk.client.extensions
        made = plain(extensions.upload_extension(name="harbour", file=("harbour.zip", archive())))["id"]
        self.assertIn(made, self.listed())
        self.assertEqual(extensions.get_extension(made).name, "harbour")
        with self.sdk.session(browser={"extensions": [made]}) as session_id, self.sdk.first_page(session_id) as page:
            page.goto(SITE_URL)
            self.assertEqual(page.evaluate("document.documentElement.dataset.extension"), "harbour")
        with self.assertRaises(anchorbrowser.BadRequestError) as refused:
            self.sdk.create_session(browser=HEADLESS | {"extensions": [made]})
        self.assertIn("extensions", message(refused.exception))
        extensions.delete_extension(made)
        self.assertNotIn(made, self.listed())
        with self.assertRaises(anchorbrowser.NotFoundError):
            extensions.get_extension(made)
