//! The mouse: clicks, presses, moves, drags, and the wheel.
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
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::time::timeout;

use super::element::{self, Wanted};
use super::tab::{Tab, require_looks};
use super::{Act, pause};
use crate::error::Result;

/// In how many moves a drag goes from its start to its end.
const DRAG_MOVES: u32 = 12;
/// How far the first move of a drag goes, in CSS pixels. Chromium takes less than four for a hand that is not still.
const DRAG_START: f64 = 6.0;
/// How long Chromium may take to tell of a drag that has begun.
const DRAG_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a turn of the wheel is from the next.
const WHEEL_PAUSE: Duration = Duration::from_millis(16);

/// A point of the page, in CSS pixels from the viewport's upper left corner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Down.
    pub y: f64,
}

/// A button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Button {
    /// The first one.
    Left,
    /// The wheel.
    Middle,
    /// The one for context menus.
    Right,
}

impl Button {
    const fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Middle => "middle",
            Self::Right => "right",
        }
    }

    /// Its bit in `MouseEvent.buttons`.
    const fn bit(self) -> u8 {
        match self {
            Self::Left => 1,
            Self::Right => 2,
            Self::Middle => 4,
        }
    }
}

/// What is clicked.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// A point.
    Point(Point),
    /// An element.
    Element(Wanted),
}

/// Clicks once.
#[derive(Clone, Debug)]
pub struct Click {
    /// What.
    pub place: Place,
    /// With which button.
    pub button: Button,
}

/// Clicks twice.
#[derive(Clone, Copy, Debug)]
pub struct DoubleClick {
    /// Where.
    pub at: Point,
    /// With which button.
    pub button: Button,
}

/// Presses a button, which is held from then on.
#[derive(Clone, Copy, Debug)]
pub struct Press {
    /// Where.
    pub at: Point,
    /// Which.
    pub button: Button,
}

/// Releases a button.
#[derive(Clone, Copy, Debug)]
pub struct Release {
    /// Where.
    pub at: Point,
    /// Which.
    pub button: Button,
}

/// Moves the mouse.
#[derive(Clone, Copy, Debug)]
pub struct Move {
    /// Where to.
    pub to: Point,
}

/// Drags what is at one point to another.
#[derive(Clone, Copy, Debug)]
pub struct DragAndDrop {
    /// From here.
    pub from: Point,
    /// To here.
    pub to: Point,
    /// With which button.
    pub button: Button,
}

/// Turns the wheel.
#[derive(Clone, Copy, Debug)]
pub struct Scroll {
    /// Where the mouse is.
    pub at: Point,
    /// How far to the right, in CSS pixels.
    pub right: f64,
    /// How far down.
    pub down: f64,
    /// In how many turns, at least 1.
    pub steps: u32,
}

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

/// The fields that a point's coordinates come from.
const FIELDS: (&str, &str) = ("x", "y");

impl Act for Click {
    type Done = ();

    async fn perform(self, tab: &Tab, pointer: &mut Pointer) -> Result<()> {
        let at = match &self.place {
            Place::Point(at) => inside(tab, FIELDS, *at)?,
            Place::Element(wanted) => element::find(tab, wanted).await?,
        };
        pointer.move_to(tab, at).await?;
        pointer.click(tab, self.button, 1).await
    }
}

impl Act for DoubleClick {
    type Done = ();

    async fn perform(self, tab: &Tab, pointer: &mut Pointer) -> Result<()> {
        pointer.move_to(tab, inside(tab, FIELDS, self.at)?).await?;
        pointer.click(tab, self.button, 1).await?;
        pointer.click(tab, self.button, 2).await
    }
}

impl Act for Press {
    type Done = ();

    async fn perform(self, tab: &Tab, pointer: &mut Pointer) -> Result<()> {
        pointer.move_to(tab, inside(tab, FIELDS, self.at)?).await?;
        pointer.watch_drags(tab).await?;
        pointer.press(tab, self.button, 1).await
    }
}

impl Act for Release {
    type Done = ();

    async fn perform(self, tab: &Tab, pointer: &mut Pointer) -> Result<()> {
        pointer.move_to(tab, inside(tab, FIELDS, self.at)?).await?;
        pointer.let_go(tab, self.button).await
    }
}

impl Act for Move {
    type Done = ();

    async fn perform(self, tab: &Tab, pointer: &mut Pointer) -> Result<()> {
        pointer.move_to(tab, inside(tab, FIELDS, self.to)?).await
    }
}

impl Act for DragAndDrop {
    type Done = ();

    async fn perform(self, tab: &Tab, pointer: &mut Pointer) -> Result<()> {
        let from = inside(tab, ("startX", "startY"), self.from)?;
        let to = inside(tab, ("endX", "endY"), self.to)?;
        pointer.move_to(tab, from).await?;
        pointer.watch_drags(tab).await?;
        pointer.press(tab, self.button, 1).await?;
        let moved = async {
            for at in way(from, to) {
                pointer.move_to(tab, at).await?;
            }
            Ok(())
        };
        let moved = moved.await;
        // Whatever happened on the way, the button does not stay pressed.
        let released = pointer.let_go(tab, self.button).await;
        moved.and(released)
    }
}

impl Act for Scroll {
    type Done = ();

    async fn perform(self, tab: &Tab, pointer: &mut Pointer) -> Result<()> {
        pointer.move_to(tab, inside(tab, FIELDS, self.at)?).await?;
        let steps = f64::from(self.steps);
        for step in 0..self.steps {
            if step > 0 {
                pause(tab.mux(), WHEEL_PAUSE).await?;
            }
            let turn = json!({
                "type": "mouseWheel", "x": self.at.x, "y": self.at.y, "buttons": pointer.held,
                "deltaX": self.right / steps, "deltaY": self.down / steps,
            });
            tab.input("Input.dispatchMouseEvent", turn).await?;
        }
        Ok(())
    }
}

/// Returns the point, if it is in the viewport.
fn inside(tab: &Tab, fields: (&str, &str), at: Point) -> Result<Point> {
    require_looks(tab)?.require_inside(fields, at)?;
    Ok(at)
}

/// Plans a drag's moves: first a little one, which makes clear that it is a drag, then the rest, and the end twice, so that
/// what lies there has noticed before the release.
fn way(from: Point, to: Point) -> Vec<Point> {
    let (right, down) = (to.x - from.x, to.y - from.y);
    let length = right.hypot(down).max(1.0);
    let between = |share: f64| Point { x: from.x + right * share, y: from.y + down * share };
    let first = (DRAG_START / length).min(1.0);
    let moves = (1..=DRAG_MOVES).map(|step| first + (1.0 - first) * f64::from(step) / f64::from(DRAG_MOVES));
    std::iter::once(first).chain(moves).map(between).chain([to]).collect()
}

impl Pointer {
    /// Moves the mouse, or what it drags.
    async fn move_to(&mut self, tab: &Tab, to: Point) -> Result<()> {
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

    async fn click(&mut self, tab: &Tab, button: Button, count: u32) -> Result<()> {
        let pressed = self.press(tab, button, count).await;
        // Also when the press was not taken in time: it may be still.
        let released = self.release(tab, button, count).await;
        pressed.and(released)
    }

    async fn press(&mut self, tab: &Tab, button: Button, count: u32) -> Result<()> {
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
    async fn let_go(&mut self, tab: &Tab, button: Button) -> Result<()> {
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
    async fn watch_drags(&mut self, tab: &Tab) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drag_begins_with_a_little_move_and_ends_at_its_end() {
        let (from, to) = (Point { x: 10.0, y: 10.0 }, Point { x: 310.0, y: 410.0 });
        let way = way(from, to);
        assert_eq!((way[0].x - from.x).hypot(way[0].y - from.y), DRAG_START);
        assert_eq!(way[way.len() - 2..], [to, to]);
        assert_eq!(way.len() as u32, DRAG_MOVES + 2);
    }

    #[test]
    fn a_drag_to_its_own_start_stays_there() {
        let here = Point { x: 5.0, y: 5.0 };
        assert!(super::way(here, here).iter().all(|at| *at == here));
    }
}
