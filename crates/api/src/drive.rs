//! Driving a session's browser: where its page goes, what its mouse and keyboard do, and its clipboard.
//!
//! Numbers are read as they are written, `3` or `3.0`: the SDKs differ in it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ChangeStatus, SuccessResponse};

/// Where the selected tab is to go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
pub struct GotoRequest {
    /// An absolute http, https, about or data URL.
    #[schema(example = "https://example.com")]
    pub url: String,
}

/// A button of the mouse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MouseButton {
    /// The first one.
    #[default]
    Left,
    /// The wheel.
    Middle,
    /// The one for context menus.
    Right,
}

/// What to click: a point, or an element. Coordinates are CSS pixels from the upper left corner of the page's viewport.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
pub struct ClickRequest {
    /// The point, with `y`; not together with `selector`.
    pub x: Option<f64>,
    /// The point, with `x`.
    pub y: Option<f64>,
    /// `left` when absent.
    pub button: Option<MouseButton>,
    /// A CSS selector. It is matched in the page and in every open shadow root.
    pub selector: Option<String>,
    /// How long to wait for the element, in milliseconds; 5000 when absent. `selectorTimeoutMs` is the same.
    #[serde(alias = "selectorTimeoutMs")]
    pub timeout: Option<f64>,
    /// Which of several matches, from 0; 0 when absent.
    pub index: Option<f64>,
}

/// A point, and a button.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, ToSchema)]
pub struct ButtonRequest {
    /// From the left edge of the viewport, in CSS pixels.
    pub x: f64,
    /// From its upper edge.
    pub y: f64,
    /// `left` when absent.
    pub button: Option<MouseButton>,
}

/// A point.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, ToSchema)]
pub struct MoveRequest {
    /// From the left edge of the viewport, in CSS pixels.
    pub x: f64,
    /// From its upper edge.
    pub y: f64,
}

/// From where to where something is dragged.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DragRequest {
    /// Where the button is pressed, from the left edge of the viewport, in CSS pixels.
    pub start_x: f64,
    /// The same from its upper edge.
    pub start_y: f64,
    /// Where it is released.
    pub end_x: f64,
    /// The same from the upper edge.
    pub end_y: f64,
    /// `left` when absent.
    pub button: Option<MouseButton>,
}

/// How the wheel is turned, and where the mouse is meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScrollRequest {
    /// From the left edge of the viewport, in CSS pixels.
    pub x: f64,
    /// From its upper edge.
    pub y: f64,
    /// To the right, in CSS pixels; negative is to the left; 0 when absent.
    pub delta_x: Option<f64>,
    /// Down, in CSS pixels; negative is up.
    pub delta_y: f64,
    /// In how many turns, from 1 to 100; 1 when absent.
    pub steps: Option<f64>,
    /// Accepted; there is one way to scroll here.
    pub use_os: Option<bool>,
}

/// What is typed.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
pub struct TypeRequest {
    /// Any text. A line break is the Enter key, a tab the Tab key.
    #[schema(example = "Grüße, 你好")]
    pub text: String,
    /// How long to wait between two keystrokes, in milliseconds; 0 when absent.
    pub delay: Option<f64>,
}

/// Keys that are held down together.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShortcutRequest {
    /// The names of the keys, in the order in which they are pressed; they are released in the reverse order.
    #[schema(example = json!(["Control", "A"]))]
    pub keys: Vec<String>,
    /// How long all of them are held, in milliseconds; 0 when absent.
    pub hold_time: Option<f64>,
}

/// A text for the clipboard.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
pub struct ClipboardRequest {
    /// It.
    pub text: String,
}

/// A text that is pasted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
pub struct PasteRequest {
    /// It. The clipboard holds it afterwards.
    pub text: String,
}

/// It was done. The published sources disagree about where `status` is, so it is in both places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Driven {
    /// Always `success`.
    pub status: ChangeStatus,
    /// The same again.
    pub data: SuccessResponse,
}

impl Driven {
    /// `{"status": "success", "data": {"status": "success"}}`.
    pub const SUCCESS: Self = Self { status: ChangeStatus::Success, data: SuccessResponse::SUCCESS };
}

/// What the clipboard holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClipboardText {
    /// Its text; empty when it holds none.
    pub text: String,
}

/// What was copied. The published sources disagree about where `text` is, so it is in both places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Copied {
    /// Always `success`.
    pub status: ChangeStatus,
    /// The text; empty when nothing was selected.
    pub text: String,
    /// The same again.
    pub data: ClipboardText,
}

impl Copied {
    /// Puts a text into both places.
    pub fn of(text: String) -> Self {
        Self { status: ChangeStatus::Success, data: ClipboardText { text: text.clone() }, text }
    }
}
