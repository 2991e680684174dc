"""PyPI anchorbrowser: what needs a model, a code sandbox or another service says so, whatever it is given."""

import inspect
import re

import anchorbrowser
from support import calls
from support.server import GENERATION, Suite, message

#: The resources and methods, of both generations.
ELSEWHERE = re.compile(
    r"tasks?\.|tasks_legacy\.|integrations\.|applications\.create_identity_token$"
    # The newer SDK's goes through somebody else's addresses; the older one's is done here.
    + (r"|tools\.fetch_webpage$" if GENERATION >= 1 else "")
    + r"|tools\.(execute_code|get_perform_web_task_status|perform_web_task)$"
    r"|agent\.(pause_agent|resume_agent|\w+_human_intervention|list_pending_interventions)$"
)
REASON = r"^Feature not implemented\. [A-Z].{20,}\.$"


class Elsewhere(Suite):
    def test_every_call_is_answered_with_what_to_use_instead(self):
        asked = [name for name, _ in calls.methods() if ELSEWHERE.match(name)]
        self.assertGreater(len(asked), 5)
        for name in asked:
            with self.subTest(name):
                call = self.sdk.client
                for part in name.split("."):
                    call = getattr(call, part)
                with self.assertRaises(anchorbrowser.InternalServerError) as refused:
                    call(**_anything(call))
                self.assertEqual(refused.exception.status_code, 501)
                self.assertRegex(message(refused.exception), REASON)

    def test_the_agents_helpers_end_with_that_answer_too(self):
        agent = self.sdk.client.agent
        options = {"session_options": {"timeout": {"max_duration": 2}}}
        if GENERATION == 0:
            # They look for a model inside the browser, and find none.
            for helper in agent.task, agent.browser_task:
                with self.assertRaisesRegex(ValueError, "AI service worker not found"):
                    helper("Find the harbour", **options)
            return
        with self.assertRaises(anchorbrowser.InternalServerError) as refused:
            agent.task("Find the harbour", **options)
        self.assertRegex(message(refused.exception), REASON)
        started = agent.browser_task("Find the harbour", **options)
        with self.assertRaises(anchorbrowser.InternalServerError) as refused:
            started["task_result_task"].result(timeout=60)
        self.assertRegex(message(refused.exception), REASON)
        self.assertIn(started["session_id"], self.running())


def _anything(call):
    """Arguments for whatever a method cannot do without."""
    needed = [
        parameter
        for parameter in inspect.signature(call).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    return {parameter.name: "00000000-0000-4000-8000-000000000000" for parameter in needed}
