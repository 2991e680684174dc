//! What the fake's pages look like: all the same, to somebody who only looks, and each with its address in a comment.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// A JPEG of 16 by 16 pixels.
const PICTURE: &str = "/9j/2wBDAAgUFBcUFxsbGxsbGyAeICEhISAgICAhISEkJCQqKiokJCQhISQkKCgqKi4vLisrKisvLzIyMjw8OTlGRkhWVmf/xABMAAEBAAAAAAAAAAAAAAAAAAAABgEBAQAAAAAAAAAAAAAAAAAABQcQAQAAAAAAAAAAAAAAAAAAAAARAQAAAAAAAAAAAAAAAAAAAAD/wAARCAAQABADASIAAhEAAxEA/9oADAMBAAIRAxEAPwCZALJ+/9k=";

/// Tells whether a method begins a screencast, or ends one.
pub fn order(method: &str) -> Option<bool> {
    match method {
        "Page.startScreencast" => Some(true),
        "Page.stopScreencast" => Some(false),
        _ => None,
    }
}

/// Returns a picture of what is at a URL, as DevTools has it.
pub fn picture(url: &str) -> String {
    let whole = BASE64_STANDARD.decode(PICTURE).expect("a constant of ours");
    let (start, rest) = whole.split_at(2);
    let comment = url.as_bytes();
    let length = u16::try_from(comment.len() + 2).unwrap_or(2).to_be_bytes();
    BASE64_STANDARD.encode([start, &[0xff, 0xfe], &length, comment, rest].concat())
}
