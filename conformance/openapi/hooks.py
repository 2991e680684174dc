"""What schemathesis is told beyond the document: real ids, how a stranger is answered, and a journal of what was called.

Loaded by `SCHEMATHESIS_HOOKS`; `test_openapi.py` sets the environment.
"""

import atexit
import collections
import json
import os

import schemathesis
from schemathesis.generation import GenerationMode
from schemathesis.core.parameters import ParameterLocation

from support.world import World

#: The longest that a request may ask the server to wait for a revision, in seconds.
LONGEST_WAIT = 0.05

#: The run that has no key.
STRANGER = "stranger"

world = World()
journal = collections.defaultdict(collections.Counter)
turns = collections.Counter()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Every other request whose path could be right names something that exists."""
    operation = case.operation.label
    turns[operation] += 1
    if turns[operation] % 2 and case.path_parameters and could_be_right(case):
        # A copy: the cases of the coverage phase share theirs.
        case.path_parameters = case.path_parameters | world.parameters_for(operation)
        if operation.endswith("/checkpoint") and isinstance(case.body, dict) and "session_id" in case.body:
            case.body = case.body | {"session_id": world.saver}
    if operation.endswith("/events") and case.method == "GET":
        # Names that were thought up may exist too: random profiles have been made.
        world.end_soon(str(case.path_parameters["name"]))
    if case.query and "min_revision" in case.query:
        # Without a word on it, the server waits for half a minute.
        case.query = {"timeout": LONGEST_WAIT} | case.query
    wait = (case.query or {}).get("timeout")
    if isinstance(wait, float | int) and wait > LONGEST_WAIT:
        case.query["timeout"] = LONGEST_WAIT


def could_be_right(case):
    if case.meta is None:
        return True
    path = case.meta.components.get(ParameterLocation.PATH)
    return path is None or path.mode == GenerationMode.POSITIVE


@schemathesis.hook
def after_call(context, case, response):
    journal[f"{case.method} {case.path}"][response.status_code] += 1
    if response.status_code != 200:
        return
    if case.operation.label == "POST /v1/sessions" and case.method == "POST":
        world.call("DELETE", f"/v1/sessions/{response.json()['data']['id']}")
    if case.operation.label == "DELETE /v1/sessions/all":
        world.all_sessions_ended()


@schemathesis.check
def strangers_are_refused(context, response, case):
    """Without a key, whatever needs one answers 401 and nothing else. Methods that are none answer 405 to everybody."""
    if case.method != case.operation.method.upper():
        return
    if os.environ["ROADSTEAD_RUN"] == STRANGER and case.operation.definition.raw.get("security"):
        assert response.status_code == 401, f"a stranger is answered {response.status_code}"


@atexit.register
def write_journal():
    with open(os.environ["ROADSTEAD_JOURNAL"], "w", encoding="utf-8") as file:
        json.dump(journal, file)
