//! The mouse: clicks, presses, moves, drags, and the wheel. What it does to the page is the [`Pointer`]'s.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::element::{self, Wanted};
use super::pointer::Pointer;
use super::tab::{Tab, require_looks};
use super::{Act, pause};
use crate::error::Result;

/// In how many moves a drag goes from its start to its end.
const DRAG_MOVES: u32 = 12;
/// How far the first move of a drag goes, in CSS pixels. Chromium takes less than four for a hand that is not still.
const DRAG_START: f64 = 6.0;
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
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Middle => "middle",
            Self::Right => "right",
        }
    }

    /// Its bit in `MouseEvent.buttons`.
    pub(super) const fn bit(self) -> u8 {
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
                "type": "mouseWheel", "x": self.at.x, "y": self.at.y, "buttons": pointer.held(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drag_begins_with_a_little_move_and_ends_at_its_end() {
        let (from, to) = (Point { x: 10.0, y: 10.0 }, Point { x: 310.0, y: 410.0 });
        let way = way(from, to);
        let first = (way[0].x - from.x).hypot(way[0].y - from.y);
        assert!((first - DRAG_START).abs() < 1e-9, "{first}");
        assert_eq!(way[way.len() - 2..], [to, to]);
        assert_eq!(way.len(), DRAG_MOVES as usize + 2);
    }

    #[test]
    fn a_drag_to_its_own_start_stays_there() {
        let here = Point { x: 5.0, y: 5.0 };
        assert!(super::way(here, here).iter().all(|at| *at == here));
    }
}
