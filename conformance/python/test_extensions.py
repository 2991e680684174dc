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

#: A certificate of an authority that nobody has the key of.
AUTHORITY = b"""\
-----BEGIN CERTIFICATE-----
MIIBoDCCAUWgAwIBAgIUdC0qfWrHcWMM7LshALOikqb3GcwwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRSGFyYm91ciBhdXRob3JpdHkwIBcNMjYxMTI4MjIzMDQ0WhgP
MjEyNjExMDQyMjMwNDRaMBwxGjAYBgNVBAMMEUhhcmJvdXIgYXV0aG9yaXR5MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEtNIg5Twj9iqeWvwCObrn+FFQ7u+raHwG
rBn6Duv9SwTbHUWvm23zvnO7fWeXE7+1viOT7HlReyN6H2Gjx5ItCqNjMGEwHQYD
VR0OBBYEFHZuJOhH4FH8QI/bQ6ZEmzakEn0tMB8GA1UdIwQYMBaAFHZuJOhH4FH8
QI/bQ6ZEmzakEn0tMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgEGMAoG
CCqGSM49BAMCA0kAMEYCIQCwPqiUa5Tnku0clusPILTt12u+frimpKY4h6j3sddw
hgIhAMum5FgNyaLI12p32NXiI/R/5i7e9rsu2vFfQA1l8BLb
-----END CERTIFICATE-----
"""


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


@unittest.skipIf(GENERATION < 1, "the older SDK has no certificates")
class Certificates(Suite):
    def test_one_is_kept_named_by_a_session_and_deleted(self):
        certificates = self.sdk.client.certificates
        name = unique("authority").replace(" ", "-")
        made = plain(certificates.create_certificate(name=name, file=("authority.pem", AUTHORITY), description="harbour"))
        self.assertEqual((made["name"], made["description"]), (name, "harbour"))
        listed = plain(certificates.list_certificates())
        self.assertIn(name, str(listed))
        self.assertNotIn("BEGIN CERTIFICATE", str(listed))
        with self.assertRaises(anchorbrowser.ConflictError):
            certificates.create_certificate(name=name, file=("authority.pem", AUTHORITY))
        with self.sdk.session(browser=HEADLESS | {"ca_certificates": [name]}):
            pass
        certificates.delete_certificate(name)
        self.assertNotIn(name, str(plain(certificates.list_certificates())))
