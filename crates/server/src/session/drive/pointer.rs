//! What is known of the mouse from one act to the next, and how it is moved, pressed and released.
//!
//! # Dragging
//!
//! A page that moves something by listening to the mouse sees a press, moves and a release. What HTML calls draggable is the
//! browser's own business: the press and the first moves make it take over, and it would wait for the operating system's
//! mouse. So while a button is held such a drag is intercepted (`Input.setInterceptDrags`), and goes on as drag events of
//! ours. Chromium tells of it after the move's own answer, so a listener in the page says whether it is to be waited for. In
//! frames of other sites there is none; there it is noticed a move later.

use std::time::Duration;

use roadstead_devtools::Event;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::time::timeout;

use super::mouse::{Button, Point};
use super::tab::Tab;
use crate::error::Result;

/// How long Chromium may take to tell of a drag that has begun.
const DRAG_TIMEOUT: Duration = Duration::from_secs(2);

/// What is known of the mouse from one act to the next.
#[derive(Debug, Default)]
pub struct Pointer {
    /// The page that it was last seen in; in another one nothing is held.
    target: String,
    at: Point,
    /// The held buttons, as in `MouseEvent.buttons`.
    held: u8,
    /// What may become, or has become, a drag of the browser's own.
    drag: Option<Drag>,
}

/// A watch for drags of the browser's own.
#[derive(Debug)]
struct Drag {
    events: broadcast::Receiver<Event>,
    /// What is dragged, once something is.
    data: Option<Value>,
}

impl Pointer {
    /// Returns the held buttons, as in `MouseEvent.buttons`.
    pub fn held(&self) -> u8 {
        self.held
    }

    /// Moves the mouse, or what it drags.
    pub async fn move_to(&mut self, tab: &Tab, to: Point) -> Result<()> {
        if self.target != tab.target() {
            // What was held there is of no use here. That page is hidden, or gone.
            *self = Self { target: tab.target().to_owned(), ..Self::default() };
        }
        self.at = to;
        if let Some(Drag { data: Some(data), .. }) = &self.drag {
            return drag_event(tab, "dragOver", to, data).await;
        }
        let button = [Button::Left, Button::Middle, Button::Right]
            .into_iter()
            .find(|button| self.held & button.bit() != 0);
        tab.input("Input.dispatchMouseEvent", json!({
            "type": "mouseMoved", "x": to.x, "y": to.y, "buttons": self.held, "button": button.map_or("none", Button::name),
        }))
        .await?;
        if self.held != 0 {
            self.notice_drag(tab).await?;
        }
        Ok(())
    }

    /// Presses a button and releases it, for the `count`th time in a row.
    pub async fn click(&mut self, tab: &Tab, button: Button, count: u32) -> Result<()> {
        let pressed = self.press(tab, button, count).await;
        // Also when the press was not taken in time: it may be still.
        let released = self.release(tab, button, count).await;
        pressed.and(released)
    }

    /// Presses a button.
    pub async fn press(&mut self, tab: &Tab, button: Button, count: u32) -> Result<()> {
        self.held |= button.bit();
        self.button_event(tab, "mousePressed", button, count).await
    }

    async fn release(&mut self, tab: &Tab, button: Button, count: u32) -> Result<()> {
        self.held &= !button.bit();
        self.button_event(tab, "mouseReleased", button, count).await
    }

    async fn button_event(&self, tab: &Tab, kind: &str, button: Button, count: u32) -> Result<()> {
        let Point { x, y } = self.at;
        tab.input("Input.dispatchMouseEvent", json!({
            "type": kind, "x": x, "y": y, "button": button.name(), "buttons": self.held, "clickCount": count,
        }))
        .await
    }

    /// Releases a button, or drops what it drags.
    pub async fn let_go(&mut self, tab: &Tab, button: Button) -> Result<()> {
        let Some(drag) = self.drag.take() else {
            return self.release(tab, button, 1).await;
        };
        let released = match drag.data {
            Some(data) => {
                self.held &= !button.bit();
                drag_event(tab, "drop", self.at, &data).await
            }
            None => self.release(tab, button, 1).await,
        };
        let unwatched = tab.input("Input.setInterceptDrags", json!({"enabled": false})).await;
        let forgotten = tab.evaluate(FORGET_DRAG).await.map(drop);
        released.and(unwatched).and(forgotten)
    }

    /// From now on, and until the button is released, has the browser's own drags go on as ours.
    pub async fn watch_drags(&mut self, tab: &Tab) -> Result<()> {
        if self.drag.is_none() {
            let events = tab.mux().subscribe();
            tab.input("Input.setInterceptDrags", json!({"enabled": true})).await?;
            tab.evaluate(WATCH_DRAG).await?;
            self.drag = Some(Drag { events, data: None });
        }
        Ok(())
    }

    /// Takes a drag over that the last move has begun, if it has.
    async fn notice_drag(&mut self, tab: &Tab) -> Result<()> {
        let at = self.at;
        let Some(drag) = self.drag.as_mut().filter(|drag| drag.data.is_none()) else {
            return Ok(());
        };
        let began = tab.evaluate(DRAG_BEGAN).await? == true;
        let limit = if began { DRAG_TIMEOUT } else { Duration::ZERO };
        if let Ok(Some(data)) = timeout(limit, intercepted(&mut drag.events, tab.session())).await {
            drag_event(tab, "dragEnter", at, &data).await?;
            drag_event(tab, "dragOver", at, &data).await?;
            drag.data = Some(data);
        }
        Ok(())
    }
}

/// Notes in the page that a drag begins; whether it goes on is known once every listener has had its say.
const WATCH_DRAG: &str = "globalThis.dragWatch?.end();
    globalThis.dragWatch = {
        event: undefined,
        note(event) { dragWatch.event = event; },
        end() { removeEventListener('dragstart', dragWatch.note, true); globalThis.dragWatch = undefined; },
    };
    addEventListener('dragstart', dragWatch.note, true);";
const DRAG_BEGAN: &str =
    "Boolean(globalThis.dragWatch?.event && !globalThis.dragWatch.event.defaultPrevented)";
const FORGET_DRAG: &str = "globalThis.dragWatch?.end()";

/// Waits for Chromium to hand a drag over.
async fn intercepted(events: &mut broadcast::Receiver<Event>, session: &str) -> Option<Value> {
    loop {
        match events.recv().await {
            Ok(mut event)
                if event.method == "Input.dragIntercepted" && event.session.as_deref() == Some(session) =>
            {
                return Some(event.params["data"].take());
            }
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return None,
        }
    }
}

async fn drag_event(tab: &Tab, kind: &str, at: Point, data: &Value) -> Result<()> {
    tab.input("Input.dispatchDragEvent", json!({"type": kind, "x": at.x, "y": at.y, "data": data})).await
}
