"""schemathesis against our own `/openapi.json`: the document promises nothing that the server does not keep.

Once with a key, once with none, and once with a key and real browsers, for the operations that need a page. Every operation is
called with what the document allows and with what it does not, with ids
that exist and with ids that do not; the same requests in every run.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import requests

HERE = pathlib.Path(__file__).parent
#: What both callers are held to. Whether a request that the document allows is accepted is left out: rules between fields
#: are not in it, and empty parameters of older clients are taken for absent ones.
CHECKS = [
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "strangers_are_refused",
    "failures_are_deliberate",
    "what_is_wrong_is_refused",
    "refusals_have_the_envelope",
]
#: The tags of the operations that need a real page, which a fake browser does not have.
PAGES = ["OS Level Control", "Tools"]
#: What anybody may ask for.
PUBLIC = {"GET /healthz", "GET /readyz", "GET /metrics"}
#: What a session's token opens as well as a key: the document, which knows one kind of key, calls them unguarded.
OPENED_BY_TOKENS = {"GET /json/version", "GET /json/list", "GET /json/protocol"}
#: What needs an archive, a certificate or a recording, none of which is thought up: the tests of those do it.
SHOWN_ELSEWHERE = {
    "POST /v1/extensions",
    "GET /v1/extensions/{id}",
    "DELETE /v1/extensions/{id}",
    "POST /v1/certificates",
    "DELETE /v1/certificates/{name}",
    "POST /v1/sessions/{session_id}/recordings/pause",
    "POST /v1/sessions/{session_id}/recordings/resume",
    "DELETE /v1/sessions/{session_id}/recordings/{recording_id}",
    "GET /v1/sessions/{session_id}/recordings/primary/fetch",
    "GET /v1/sessions/{session_id}/recordings/primary/frames",
    "GET /v1/sessions/{session_id}/recordings/primary/frames/{number}",
    "GET /v1/sessions/{session_id}/recordings/primary/replay",
}
#: What takes whatever it is given: a text to search for may be any.
TAKES_ANYTHING = {"GET /v1/applications"}
#: How an operation answers that has done what it is for.
GOOD = {"200", "201", "202"}
#: Thought-up requests for each operation, beside those that walk the edges of its parameters.
EXAMPLES = 3
#: What the requests are thought up from.
SEED = os.environ.get("ROADSTEAD_SEED", "1")
#: How long a request may take, and all of them, in seconds.
REQUEST_PATIENCE, PATIENCE = 30, 540


class OpenApi(unittest.TestCase):
    def setUp(self):
        self.url = os.environ["ROADSTEAD_URL"]
        document = requests.get(f"{self.url}/openapi.json", timeout=REQUEST_PATIENCE).json()
        self.operations = {
            f"{method.upper()} {path}": operation
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    def test_with_a_key(self):
        self.require_both_answers(pages=False)

    def test_pages(self):
        self.require_both_answers(pages=True)

    def require_both_answers(self, pages):
        """Every operation, of those that need a real page or of the others, has done what it is for, and has refused."""
        self.operations = {
            operation: told
            for operation, told in self.operations.items()
            if pages != set(PAGES).isdisjoint(told["tags"])
        }
        self.assertTrue(self.operations)
        which = "--include-tag" if pages else "--exclude-tag"
        key = ["--header", f"anchor-api-key: {os.environ['ROADSTEAD_API_KEY']}"]
        journal = self.run_schemathesis("guest", *key, *(word for tag in PAGES for word in (which, tag)))
        never_good = {operation for operation in self.operations if not GOOD & set(journal[operation])}
        self.assertEqual(never_good - SHOWN_ELSEWHERE, set(), "operations that never did what they are for")
        takes_something = {
            operation for operation, told in self.operations.items() if told.get("parameters") or "requestBody" in told
        }
        never_refused = {operation for operation in takes_something if not {"400", "404"} & set(journal[operation])}
        self.assertEqual(never_refused - OPENED_BY_TOKENS - TAKES_ANYTHING, set(), "operations that took whatever they were given")

    def test_without_a_key(self):
        journal = self.run_schemathesis("stranger")
        guarded = {operation for operation, told in self.operations.items() if told.get("security")}
        self.assertEqual(set(self.operations) - guarded, PUBLIC | OPENED_BY_TOKENS)
        for operation in guarded | OPENED_BY_TOKENS:
            self.assertEqual(set(journal[operation]), {"401"}, operation)
        for operation in PUBLIC:
            self.assertEqual(set(journal[operation]), {"200"}, operation)

    def run_schemathesis(self, run, *arguments):
        """Runs it, requires that it finds nothing and leaves nothing out, and returns how often which status was seen."""
        with tempfile.TemporaryDirectory() as folder:
            journal = pathlib.Path(folder) / "journal.json"
            environment = {
                "SCHEMATHESIS_HOOKS": "hooks",
                "PYTHONPATH": str(HERE),
                "PYTHONDONTWRITEBYTECODE": "1",
                "ROADSTEAD_JOURNAL": str(journal),
                "ROADSTEAD_RUN": run,
                "ROADSTEAD_PAGE_TAGS": ",".join(PAGES),
            }
            command = [pathlib.Path(sys.executable).parent / "schemathesis", "--no-color"]
            command += ["run", f"{self.url}/openapi.json"]
            command += ["--seed", SEED, "--generation-database", "none", "--continue-on-failure", "--no-shrink", "--warnings", "off"]
            command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES)]
            command += ["--checks", ",".join(CHECKS), "--request-timeout", str(REQUEST_PATIENCE), *arguments]
            ended = subprocess.run(
                command,
                cwd=folder,
                env=os.environ | environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=PATIENCE,
            )
            self.assertEqual(ended.returncode, 0, ended.stdout)
            seen = json.loads(journal.read_text(encoding="utf-8"))
        self.assertEqual(set(self.operations) - set(seen), set(), "operations that were never called")
        return collections.defaultdict(dict, seen)


if __name__ == "__main__":
    unittest.main()
