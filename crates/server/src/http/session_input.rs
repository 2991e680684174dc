//! `/v1/sessions/{session_id}/{mouse,keyboard,scroll,drag-and-drop}`: the mouse and the keyboard.

use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use roadstead_api::{
    ButtonRequest, ClickRequest, DragRequest, Driven, MouseButton, MoveRequest, ScrollRequest,
    ShortcutRequest, TypeRequest,
};

use super::TAG_DRIVING;
use super::body::JsonBody;
use super::error::Failure;
use super::numbers::{millis, whole};
use super::params::SessionPath;
use super::session_drive::{CannotDrive, drive};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::session::drive::keyboard::{Shortcut, Type};
use crate::session::drive::mouse::{Click, DoubleClick, DragAndDrop, Move, Press, Release, Scroll};
use crate::session::drive::{Button, Place, Point, Wanted};

/// How long an element is waited for when nobody says.
const ELEMENT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it may be waited for.
const MAX_ELEMENT_TIMEOUT: Duration = Duration::from_mins(5);
/// How long a pause between keystrokes, or a hold, may be at all; how long it may be in the end the keyboard says.
const MAX_PAUSE: Duration = Duration::from_mins(5);
/// How many turns of the wheel one scroll may have.
const MAX_STEPS: u32 = 100;
/// How far one scroll may go, in CSS pixels: farther than any page is long.
const MAX_DELTA: f64 = 10_000_000.0;

/// Click
///
/// The point, or the element once it is there. Selectors reach into open shadow roots, not into frames.
#[utoipa::path(
    post, path = "/sessions/{session_id}/mouse/click", tag = TAG_DRIVING, params(("session_id" = String, Path, description = "The session's id.")),
    request_body = ClickRequest,
    responses((status = 200, description = "It is clicked.", body = Driven), CannotDrive)
)]
pub async fn click(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    JsonBody(body): JsonBody<ClickRequest>,
) -> Result<Json<Driven>, Failure> {
    drive(&app, &caller, id, read_click(&body)?).await
}

/// Click twice
#[utoipa::path(
    post, path = "/sessions/{session_id}/mouse/doubleClick", tag = TAG_DRIVING, params(("session_id" = String, Path, description = "The session's id.")),
    request_body = ButtonRequest,
    responses((status = 200, description = "It is clicked twice.", body = Driven), CannotDrive)
)]
pub async fn double_click(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    JsonBody(body): JsonBody<ButtonRequest>,
) -> Result<Json<Driven>, Failure> {
    drive(&app, &caller, id, DoubleClick { at: Point { x: body.x, y: body.y }, button: button(body.button) })
        .await
}

/// Press a mouse button
///
/// It is held until `mouse/up`; moves drag meanwhile.
#[utoipa::path(
    post, path = "/sessions/{session_id}/mouse/down", tag = TAG_DRIVING, params(("session_id" = String, Path, description = "The session's id.")),
    request_body = ButtonRequest,
    responses((status = 200, description = "It is held.", body = Driven), CannotDrive)
)]
pub async fn press(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    JsonBody(body): JsonBody<ButtonRequest>,
) -> Result<Json<Driven>, Failure> {
    drive(&app, &caller, id, Press { at: Point { x: body.x, y: body.y }, button: button(body.button) }).await
}

/// Release a mouse button
#[utoipa::path(
    post, path = "/sessions/{session_id}/mouse/up", tag = TAG_DRIVING, params(("session_id" = String, Path, description = "The session's id.")),
    request_body = ButtonRequest,
    responses((status = 200, description = "It is released.", body = Driven), CannotDrive)
)]
pub async fn release(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    JsonBody(body): JsonBody<ButtonRequest>,
) -> Result<Json<Driven>, Failure> {
    drive(&app, &caller, id, Release { at: Point { x: body.x, y: body.y }, button: button(body.button) })
        .await
}

/// Move the mouse
#[utoipa::path(
    post, path = "/sessions/{session_id}/mouse/move", tag = TAG_DRIVING, params(("session_id" = String, Path, description = "The session's id.")),
    request_body = MoveRequest,
    responses((status = 200, description = "It is there.", body = Driven), CannotDrive)
)]
pub async fn move_mouse(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    JsonBody(body): JsonBody<MoveRequest>,
) -> Result<Json<Driven>, Failure> {
    drive(&app, &caller, id, Move { to: Point { x: body.x, y: body.y } }).await
}

/// Drag and drop
///
/// Also what HTML calls draggable.
#[utoipa::path(
    post, path = "/sessions/{session_id}/drag-and-drop", tag = TAG_DRIVING, params(("session_id" = String, Path, description = "The session's id.")),
    request_body = DragRequest,
    responses((status = 200, description = "It is dropped.", body = Driven), CannotDrive)
)]
pub async fn drag_and_drop(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    JsonBody(body): JsonBody<DragRequest>,
) -> Result<Json<Driven>, Failure> {
    drive(&app, &caller, id, read_drag(body)).await
}

/// Turn the wheel
#[utoipa::path(
    post, path = "/sessions/{session_id}/scroll", tag = TAG_DRIVING, params(("session_id" = String, Path, description = "The session's id.")),
    request_body = ScrollRequest,
    responses((status = 200, description = "The page has taken it; a smooth scroll may still go on.", body = Driven), CannotDrive)
)]
pub async fn scroll(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    JsonBody(body): JsonBody<ScrollRequest>,
) -> Result<Json<Driven>, Failure> {
    drive(&app, &caller, id, read_scroll(body)?).await
}

/// Type a text
///
/// Into whatever has the focus, key by key. What a US keyboard does not have comes as whole characters.
#[utoipa::path(
    post, path = "/sessions/{session_id}/keyboard/type", tag = TAG_DRIVING, params(("session_id" = String, Path, description = "The session's id.")),
    request_body = TypeRequest,
    responses((status = 200, description = "It is typed.", body = Driven), CannotDrive)
)]
pub async fn type_text(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    JsonBody(body): JsonBody<TypeRequest>,
) -> Result<Json<Driven>, Failure> {
    drive(&app, &caller, id, Type::plan(&body.text, millis("delay", body.delay, Duration::ZERO, MAX_PAUSE)?)?)
        .await
}

/// Press keys together
///
/// A to Z, 0 to 9, F1 to F12, Control, Alt, Shift, Command (and Windows), Enter, Escape, Insert, Delete, Up, Down, Left, Right,
/// PageUp, PageDown, Home, End, Tab, Space, Backspace, CapsLock, NumLock, and what else a US keyboard has. They reach the page, not
/// the browser's own windows: Control+T opens no tab.
#[utoipa::path(
    post, path = "/sessions/{session_id}/keyboard/shortcut", tag = TAG_DRIVING, params(("session_id" = String, Path, description = "The session's id.")),
    request_body = ShortcutRequest,
    responses((status = 200, description = "They were pressed and released.", body = Driven), CannotDrive)
)]
pub async fn shortcut(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    JsonBody(body): JsonBody<ShortcutRequest>,
) -> Result<Json<Driven>, Failure> {
    drive(
        &app,
        &caller,
        id,
        Shortcut::plan(&body.keys, millis("holdTime", body.hold_time, Duration::ZERO, MAX_PAUSE)?)?,
    )
    .await
}

fn button(button: Option<MouseButton>) -> Button {
    match button.unwrap_or_default() {
        MouseButton::Left => Button::Left,
        MouseButton::Middle => Button::Middle,
        MouseButton::Right => Button::Right,
    }
}

/// Reads what to click: a point, or an element, and not both.
fn read_click(body: &ClickRequest) -> Result<Click> {
    let selector = body.selector.as_deref().map(str::trim).filter(|selector| !selector.is_empty());
    let place = match (selector, body.x, body.y) {
        (None, Some(x), Some(y)) => Place::Point(Point { x, y }),
        (None, Some(_), None) => return Err(Error::invalid("y", "is missing beside x")),
        (None, None, Some(_)) => return Err(Error::invalid("x", "is missing beside y")),
        (None, None, None) => return Err(Error::invalid("x", "give x and y, or a selector")),
        (Some(selector), None, None) => Place::Element(Wanted {
            selector: selector.to_owned(),
            index: whole("index", body.index, 0, 0..=u32::MAX)?,
            timeout: millis("timeout", body.timeout, ELEMENT_TIMEOUT, MAX_ELEMENT_TIMEOUT)?,
        }),
        (Some(_), ..) => {
            return Err(Error::invalid("selector", "give either x and y, or a selector, not both"));
        }
    };
    Ok(Click { place, button: button(body.button) })
}

fn read_drag(body: DragRequest) -> DragAndDrop {
    DragAndDrop {
        from: Point { x: body.start_x, y: body.start_y },
        to: Point { x: body.end_x, y: body.end_y },
        button: button(body.button),
    }
}

fn read_scroll(body: ScrollRequest) -> Result<Scroll> {
    let right = body.delta_x.unwrap_or_default();
    for (field, delta) in [("deltaX", right), ("deltaY", body.delta_y)] {
        if delta.abs() > MAX_DELTA {
            return Err(Error::invalid(field, format!("must be from -{MAX_DELTA} to {MAX_DELTA}")));
        }
    }
    let steps = whole("steps", body.steps, 1, 1..=MAX_STEPS)?;
    Ok(Scroll { at: Point { x: body.x, y: body.y }, right, down: body.delta_y, steps })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn clicked(body: Value) -> Result<Place, String> {
        let body = serde_json::from_value(body).unwrap();
        read_click(&body).map(|click| click.place).map_err(|error| error.to_string())
    }

    #[test]
    fn a_click_is_on_a_point_or_on_an_element() {
        assert_eq!(clicked(json!({"x": 1, "y": 2.5})), Ok(Place::Point(Point { x: 1.0, y: 2.5 })));
        let wanted = |index, millis| {
            let (selector, timeout) = ("a".to_owned(), Duration::from_millis(millis));
            Ok(Place::Element(Wanted { selector, index, timeout }))
        };
        assert_eq!(clicked(json!({"selector": " a ", "x": null})), wanted(0, 5000));
        assert_eq!(clicked(json!({"selector": "a", "timeout": 7, "index": 3.0})), wanted(3, 7));
        assert_eq!(clicked(json!({"selector": "a", "selectorTimeoutMs": 0})), wanted(0, 0));
        for (body, field) in [
            (json!({}), "x:"),
            (json!({"x": 1}), "y:"),
            (json!({"y": 1}), "x:"),
            (json!({"selector": ""}), "x:"),
            (json!({"selector": "a", "x": 1, "y": 1}), "selector:"),
            (json!({"selector": "a", "index": -1}), "index:"),
            (json!({"selector": "a", "index": 1.5}), "index:"),
            (json!({"selector": "a", "timeout": -1}), "timeout:"),
            (json!({"selector": "a", "timeout": 1e9}), "timeout:"),
        ] {
            let refused = clicked(body.clone()).unwrap_err();
            assert!(refused.starts_with(field), "{body}: {refused}");
        }
    }

    #[test]
    fn a_scroll_has_bounds() {
        let scroll =
            |body: Value| read_scroll(serde_json::from_value(body).unwrap()).map(|scroll| scroll.steps);
        assert_eq!(scroll(json!({"x": 1, "y": 1, "deltaY": -100})).unwrap(), 1);
        assert_eq!(
            scroll(json!({"x": 1, "y": 1, "deltaY": 1, "deltaX": 2, "steps": 10, "useOs": true})).unwrap(),
            10
        );
        assert!(scroll(json!({"x": 1, "y": 1, "deltaY": 1e9})).is_err());
        assert!(scroll(json!({"x": 1, "y": 1, "deltaY": 1, "steps": 0})).is_err());
        assert!(scroll(json!({"x": 1, "y": 1, "deltaY": 1, "steps": 101})).is_err());
    }
}
