"""PyPI anchorbrowser: a session is driven by the SDK alone, and what its hands do is what the page saw."""

import json

import anchorbrowser
from support.server import GENERATION, HEADLESS, SITE_URL, Suite, message

#: A page that keeps, in its title, what happened to it.
STAGE = (
    "data:text/html,<body style='height:5000px;margin:0'><textarea style='width:300px;height:100px'></textarea>"
    "<script>const seen = {}; const note = (name, value) => { seen[name] = value; document.title = JSON.stringify(seen); };"
    "for (const name of ['click', 'dblclick', 'mousedown', 'mouseup'])"
    "  addEventListener(name, (event) => note(name, [event.clientX, event.clientY, event.isTrusted]));"
    "addEventListener('mousemove', (event) => note('mousemove', [event.clientX, event.clientY]));"
    "addEventListener('scroll', () => note('scrollY', scrollY));"
    "addEventListener('input', (event) => note('text', event.target.value));</script>"
)


class Hands:
    """A session's hands, under one name for both generations of the SDK."""

    def __init__(self, sdk, session_id):
        sessions, self.id = sdk.client.sessions, session_id
        if GENERATION >= 1:
            names = ["goto", "mouse_click", "mouse_double_click", "mouse_move", "keyboard_type", "keyboard_shortcut"]
            names += ["set_clipboard", "get_clipboard", "scroll", "drag_and_drop", "get_session_screenshot"]
            calls = [getattr(sessions, name) for name in names]
        else:
            mouse, keyboard, clipboard = sessions.mouse, sessions.keyboard, sessions.clipboard
            calls = [sessions.goto, mouse.click, mouse.double_click, mouse.move, keyboard.type, keyboard.shortcut]
            calls += [clipboard.set, clipboard.get, sessions.scroll, sessions.drag_and_drop, sessions.retrieve_screenshot]
        keys = ["goto", "click", "double_click", "move", "type", "shortcut"]
        keys += ["set_clipboard", "get_clipboard", "scroll", "drag", "screenshot"]
        self.calls = dict(zip(keys, calls, strict=True))
        self.waits = "timeout_" if GENERATION >= 1 else "selector_timeout_ms"

    def __getattr__(self, name):
        return lambda **arguments: self.calls[name](self.id, **arguments)


class Driving(Suite):
    def seen(self, session_id, name, value):
        """Waits until the page has seen this."""
        with self.sdk.first_page(session_id) as page:
            page.wait_for_function(
                "([name, value]) => JSON.stringify(JSON.parse(document.title)[name]) === value",
                arg=[name, json.dumps(value, separators=(",", ":"), ensure_ascii=False)],
            )

    def test_a_login_by_mouse_and_keyboard_alone(self):
        with self.sdk.session(browser=HEADLESS) as session_id:
            hands = Hands(self.sdk, session_id)
            self.assertEqual(hands.goto(url=SITE_URL).status, "success")
            hands.click(selector="#user", **{hands.waits: 2000})
            hands.type(text="ada", delay=5)
            hands.shortcut(keys=["Tab"], hold_time=5)
            hands.type(text="anchors-aweigh")
            hands.click(selector="button[type=submit]", index=0)
            with self.sdk.first_page(session_id) as page:
                page.wait_for_selector("html[data-ready]")
                self.assertEqual(page.evaluate("window.__state.user"), "ada")

    def test_every_movement_reaches_the_page(self):
        with self.sdk.session(browser=HEADLESS) as session_id:
            hands = Hands(self.sdk, session_id)
            hands.goto(url=STAGE)
            hands.click(x=50, y=60, button="left")
            self.seen(session_id, "click", [50, 60, True])
            hands.type(text="grüße, 你好")
            self.seen(session_id, "text", "grüße, 你好")
            hands.double_click(x=400, y=300)
            self.seen(session_id, "dblclick", [400, 300, True])
            hands.move(x=410, y=310)
            self.seen(session_id, "mousemove", [410, 310])
            hands.drag(start_x=400, start_y=400, end_x=450, end_y=420)
            self.seen(session_id, "mousedown", [400, 400, True])
            self.seen(session_id, "mouseup", [450, 420, True])
            hands.scroll(x=400, y=400, delta_y=120, delta_x=0, steps=2, use_os=False)
            self.seen(session_id, "scrollY", 120)
            hands.set_clipboard(text="héllo")
            self.assertEqual(hands.get_clipboard().data.text, "héllo")
            self.assertEqual(hands.screenshot().read()[1:4], b"PNG")

    def test_what_only_the_newer_sdk_can(self):
        if GENERATION < 1:
            return
        sessions = self.sdk.client.sessions
        with self.sdk.session(browser=HEADLESS) as session_id:
            sessions.goto(session_id, url=STAGE)
            sessions.mouse_down(session_id, x=500, y=300)
            self.seen(session_id, "mousedown", [500, 300, True])
            sessions.mouse_up(session_id, x=510, y=300)
            self.seen(session_id, "mouseup", [510, 300, True])
            sessions.mouse_click(session_id, x=50, y=60)
            self.assertEqual(sessions.paste(session_id, text="pasted").status, "success")
            self.seen(session_id, "text", "pasted")
            sessions.keyboard_shortcut(session_id, keys=["Control", "A"])
            self.assertEqual(sessions.copy(session_id).text, "pasted")

    def test_what_cannot_be_done_is_refused(self):
        with self.sdk.session(browser=HEADLESS) as session_id:
            hands = Hands(self.sdk, session_id)
            with self.assertRaises(anchorbrowser.BadRequestError) as refused:
                hands.click(selector="#nobody", **{hands.waits: 100})
            self.assertRegex(message(refused.exception), "#nobody.* within 100 ms")
        with self.assertRaises(anchorbrowser.ConflictError) as refused:
            hands.move(x=1, y=1)
        self.assertRegex(message(refused.exception), "^The session does not run: it is completed")
