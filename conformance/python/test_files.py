"""PyPI anchorbrowser: files go into a session and come out of it."""

import io
import time
import zipfile

import anchorbrowser
import httpx
from support.server import API_KEY, GENERATION, HEADLESS, SERVER_URL, Suite, message, plain

CONTENTS = bytes(range(256)) * 400
PAGE = 'data:text/html,<a download="report.txt" href="data:text/plain,harbour">report</a>'
#: How long a download may take, in seconds.
PATIENCE = 30


class Files(Suite):
    def setUp(self):
        super().setUp()
        sessions = self.sdk.client.sessions
        self.upload = sessions.upload_file
        if GENERATION >= 1:
            self.downloads = sessions.get_session_downloads
            self.upload_for_agent = self.sdk.client.agent.upload_agent_files
        else:
            self.downloads = sessions.retrieve_downloads
            self.upload_for_agent = sessions.agent.files.upload

    def agent_files(self, session_id):
        if GENERATION >= 1:
            return plain(self.sdk.client.agent.list_agent_files(session_id))["files"]
        headers = {"anchor-api-key": API_KEY}
        answer = httpx.get(f"{SERVER_URL}/v1/sessions/{session_id}/agent/files", headers=headers)
        return answer.json()["data"]["files"]

    def test_a_page_gets_an_uploaded_file(self):
        with self.sdk.session(browser=HEADLESS) as session_id:
            answer = plain(self.upload(session_id, file=("report.bin", CONTENTS)))
            self.assertEqual(answer["status"], "success")
            path = answer["message"].removeprefix("File saved at ")
            with self.sdk.first_page(session_id) as page:
                page.set_content('<input type="file">')
                devtools = page.context.new_cdp_session(page)
                root = devtools.send("DOM.getDocument")["root"]["nodeId"]
                found = devtools.send("DOM.querySelector", {"nodeId": root, "selector": "input"})
                devtools.send("DOM.setFileInputFiles", {"nodeId": found["nodeId"], "files": [path]})
                read = "document.querySelector('input').files[0].arrayBuffer().then((all) => [...new Uint8Array(all)])"
                self.assertEqual(bytes(page.evaluate(read)), CONTENTS)

    def test_a_download_is_listed_and_fetched(self):
        with self.sdk.session(browser=HEADLESS) as session_id:
            with self.sdk.first_page(session_id) as page:
                page.goto(PAGE)
                page.click("a")
            deadline = time.monotonic() + PATIENCE
            while not (items := plain(self.downloads(session_id))["items"]):
                self.assertLess(time.monotonic(), deadline, "nothing was downloaded")
            (item,) = items
            self.assertEqual((item["suggested_file_name"], item["size"]), ("report.txt", 7))
            self.assertEqual(httpx.get(item["file_link"]).status_code, 401)
        # The session is over, and it is still there.
        self.assertEqual(httpx.get(item["file_link"], headers={"anchor-api-key": API_KEY}).text, "harbour")

    def test_an_archive_for_agents_is_unpacked(self):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("forms/w9.pdf", CONTENTS)
            file.writestr("notes.txt", "notes")
        with self.sdk.session(browser=HEADLESS) as session_id:
            self.upload_for_agent(session_id, file=("all.zip", archive.getvalue()))
            named = [(file["name"], file["size"], file["type"]) for file in self.agent_files(session_id)]
            self.assertEqual(named, [("forms/w9.pdf", len(CONTENTS), "pdf"), ("notes.txt", 5, "txt")])
            trap = io.BytesIO()
            with zipfile.ZipFile(trap, "w") as file:
                file.writestr("../../trap", "caught")
            with self.assertRaises(anchorbrowser.BadRequestError) as raised:
                self.upload_for_agent(session_id, file=("trap.zip", trap.getvalue()))
            self.assertIn("leads out of the archive", message(raised.exception))
