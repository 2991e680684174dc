"""What schemathesis is told beyond the document: real ids, how refusals look, and a journal of what was called.

Loaded by `SCHEMATHESIS_HOOKS`; `test_openapi.py` sets the environment.
"""

import atexit
import collections
import json
import os
import urllib.parse

import schemathesis
from schemathesis.generation import GenerationMode
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import negative_data_rejection

from support import driving
from support.world import STRANGER, World

#: The longest that a request may ask the server to wait for a revision, in seconds.
LONGEST_WAIT = 0.05
#: The longest that the document allows.
LONGEST_ACCEPTED = 600
#: The same for an event, in milliseconds.
LONGEST_EVENT_WAIT = 3_600_000

#: What there never is.
ABSENT = {
    "session_id": "00000000-0000-4000-8000-000000000000",
    "name": "nobody",
    "revision": 1 << 40,
    "token": "00000000-0000-4000-8000-000000000000",
    "batch_id": "00000000-0000-4000-8000-000000000000",
    "request_id": "00000000-0000-4000-8000-000000000000",
    "event_name": "nobody's",
    "download_id": "00000000-0000-4000-8000-000000000000",
    "recording_id": "00000000-0000-4000-8000-000000000000",
    "number": 1 << 40,
    "id": "00000000-0000-4000-8000-000000000000",
    "webhook_id": "wh_00000000000040008000000000000000",
    "application_id": "00000000-0000-4000-8000-000000000000",
    "auth_flow_id": "00000000-0000-4000-8000-000000000000",
    "identity_id": "00000000-0000-4000-8000-000000000000",
}

#: What takes an address of the web, which few that are thought up are.
WITH_ADDRESS = {
    "POST /v1/webhooks": "url",
    "PATCH /v1/webhooks/{webhook_id}": "url",
    "PUT /v1/webhooks/{webhook_id}": "url",
    "POST /v1/applications": "source",
    "POST /v1/identities": "source",
}

#: What works on a page of any session.
TOOLS = {"POST /v1/tools/screenshot", "POST /v1/tools/page-pdf", "POST /v1/tools/fetch-webpage"}

#: Where a status of 500 or more is an answer and no accident. Each must be in the document, as any status must.
DELIBERATE = {
    # What the published API has and this server does not (CAPTCHAs, extensions, ...) is said, not skipped in silence.
    501: {
        "POST /v1/sessions",
        "POST /v1/sessions/async",
        "POST /v1/batch-sessions",
        "PUT /v1/sessions/{session_id}/proxy",
        "POST /v1/sessions/{session_id}/tokens",
        "POST /v1/profiles",
        "PUT /v1/profiles/{name}",
        "POST /v1/tools/screenshot",
        "POST /v1/identities",
    },
    # A proxy or a page that was thought up cannot be reached; a session without the way out that it asks for does not start.
    502: {"POST /v1/sessions", "PUT /v1/sessions/{session_id}/proxy", "POST /v1/sessions/{session_id}/goto"} | TOOLS,
    # Nor does every page load in time.
    504: TOOLS,
    # The one exit that can be reserved is taken.
    503: {"POST /v1/sessions", "PUT /v1/sessions/{session_id}/proxy", "POST /v1/profiles", "PUT /v1/profiles/{name}"},
}

#: What starts sessions later, and what the answer calls them by.
STARTS_LATER = {"POST /v1/sessions/async": "request_id", "POST /v1/batch-sessions": "batch_id"}
#: The tags of operations that need a real page.
PAGES = set(os.environ["ROADSTEAD_PAGE_TAGS"].split(","))

world = World()
journal = collections.defaultdict(collections.Counter)
turns = collections.Counter()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Of four requests whose path could be right, two name what exists and one what does not; none waits for long.

    The fourth keeps what was thought up, which may exist too: schemathesis tries what it has seen in answers.
    """
    operation = case.operation.label
    if case.method == case.operation.method.upper() and could_be_right(case, ParameterLocation.PATH):
        turns[operation] += 1
        if turns[operation] % 2:
            name_what_exists(case, operation)
        elif turns[operation] % 4:
            name_what_does_not(case)
    if operation == "GET /v1/profiles/{name}/events" and case.method == "GET":
        # Names that were thought up may exist too: random profiles have been made.
        world.end_soon(str(case.path_parameters["name"]))
    if operation == "POST /v1/events/{event_name}/wait":
        wait_briefly(case)
    if drives(case) and isinstance(case.body, dict):
        case.body = driving.hurry(case.body)
    if case.query and "min_revision" in case.query:
        case.query = case.query | {"timeout": shortened(case.query.get("timeout", LONGEST_WAIT))}


def wait_briefly(case):
    """A wait for an event, made short. What is no wait at all, and would be one of a minute, gets one."""
    body = case.body if isinstance(case.body, dict) else None
    if body is None and could_be_right(case, ParameterLocation.BODY):
        case.body = {"timeoutMs": LONGEST_WAIT * 1000}
        case.media_type = case.media_type or "application/json"
    elif body is not None:
        wait = body.get("timeoutMs")
        if wait is None or (type(wait) in (int, float) and 0 <= wait <= LONGEST_EVENT_WAIT):
            case.body = body | {"timeoutMs": LONGEST_WAIT * 1000}


def name_what_exists(case, operation):
    # Copies, all of them: the cases of the coverage phase share theirs.
    if case.path_parameters:
        case.path_parameters = case.path_parameters | world.parameters_for(operation)
    if operation.endswith("/checkpoint") and could_be_right(case, ParameterLocation.BODY):
        case.body = case.body | {"session_id": world.saver}
    if operation in WITH_ADDRESS and isinstance(case.body, dict) and could_be_right(case, ParameterLocation.BODY):
        case.body = case.body | {WITH_ADDRESS[operation]: "https://app.example.com/hooks"}
    if operation in TOOLS and could_be_right(case, ParameterLocation.QUERY):
        case.query = {"sessionId": world.kept_session()}
    if drives(case) and isinstance(case.body, dict) and could_be_right(case, ParameterLocation.BODY):
        case.body = driving.made_possible(operation, case.body)
    if operation == "GET /json/list" and could_be_right(case, ParameterLocation.QUERY):
        case.query = {"sessionId": world.kept_session()}


def name_what_does_not(case):
    if case.path_parameters:
        case.path_parameters = {name: ABSENT[name] for name in case.path_parameters}


def drives(case):
    return not PAGES.isdisjoint(case.operation.tags)


def could_be_right(case, location):
    part = case.meta and case.meta.components.get(location)
    return not part or part.mode == GenerationMode.POSITIVE


def shortened(wait):
    """A wait that the server would accept, made short; anything else as it is. Numbers may come as text already."""
    try:
        is_long = LONGEST_WAIT < float(str(wait)) <= LONGEST_ACCEPTED
    except ValueError:
        return wait
    return LONGEST_WAIT if is_long else wait


@schemathesis.hook
def after_call(context, case, response):
    journal[f"{case.method} {case.path}"][response.status_code] += 1
    if f"{case.method} {case.path}" == "POST /v1/sessions" and response.status_code == 200:
        world.end_session(response.json()["data"]["id"])
    # A project may have few.
    if f"{case.method} {case.path}" == "POST /v1/webhooks" and response.status_code == 201:
        world.delete_webhook(response.json()["id"])
    # One request may ask for a thousand sessions, and none of them may keep the others out.
    if response.status_code == 200 and f"{case.method} {case.path}" in STARTS_LATER:
        world.delete_batch(response.json()["data"][STARTS_LATER[f"{case.method} {case.path}"]])


@schemathesis.check
def strangers_are_refused(context, response, case):
    """Without a key, whatever needs one answers 401 and nothing else. Methods that are none answer 405 to everybody."""
    if case.method != case.operation.method.upper():
        return
    if world.run == STRANGER and case.operation.definition.raw.get("security"):
        assert response.status_code == 401, f"a stranger is answered {response.status_code}"


@schemathesis.check
def failures_are_deliberate(context, response, case):
    """No status of 500 or more, except where it is meant."""
    status = response.status_code
    assert status < 500 or case.operation.label in DELIBERATE.get(status, ()), f"the server fails with {status}"


@schemathesis.check
def what_is_wrong_is_refused(context, response, case):
    """schemathesis's own check, which takes no leniency in a query for meant: an empty parameter is as good as none, since
    older clients send them, and one that is unknown is skipped."""
    query = urllib.parse.parse_qsl(urllib.parse.urlsplit(response.request.url).query, keep_blank_values=True)
    known = {parameter.name for parameter in case.operation.query}
    if all(value and name in known for name, value in query):
        negative_data_rejection(context, response, case)


@schemathesis.check
def refusals_have_the_envelope(context, response, case):
    """Whatever is refused, documented or not, says what is wrong in the API's own form."""
    if response.status_code < 400 or case.method == "HEAD":
        return
    try:
        error = response.json()["error"]
    except (ValueError, TypeError, KeyError) as problem:
        raise AssertionError(f"a refusal without the envelope: {response.text[:100]!r}") from problem
    assert error["code"] == response.status_code, f"the envelope's code is {error['code']}"
    assert error["message"].strip(), "the refusal says nothing"


@atexit.register
def write_journal():
    with open(os.environ["ROADSTEAD_JOURNAL"], "w", encoding="utf-8") as file:
        json.dump(journal, file)
