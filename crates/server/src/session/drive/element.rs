//! Finding what a selector means: waiting for it, bringing it into view, and saying where it is.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::failed;
use super::mouse::Point;
use super::tab::{Activation, Tab};
use crate::error::{Error, Result};

/// How much longer than it was asked to wait a page may take to say that it found nothing.
const GRACE: Duration = Duration::from_secs(5);

/// An element that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// A CSS selector.
    pub selector: String,
    /// Which of the matches, from 0.
    pub index: u32,
    /// How long to wait for it.
    pub timeout: Duration,
}

/// What the script answers.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Found {
    /// Its middle, as far as it can be seen.
    At(Point),
    /// The selector is none.
    Invalid(String),
    /// There are only so many matches.
    Matches(u32),
    /// It is there, and takes no place on the page, or none that can be brought into view.
    Unseen(Unseen),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unseen {
    Hidden,
    Outside,
}

/// Waits until the element is there and has a place, brings it into view, and returns the middle of what is seen of it.
///
/// Errors: a selector that is none, and an element that does not come; both say what was looked for.
pub async fn find(tab: &Tab, wanted: &Wanted) -> Result<Point> {
    let Wanted { selector, index, timeout } = wanted;
    let millis = timeout.as_millis();
    let deadline = Instant::now() + *timeout;
    let script = || {
        let left = deadline.saturating_duration_since(Instant::now()).as_secs_f64() * 1000.0;
        format!("({SCRIPT})({})", json!([selector, index, left]))
    };
    let answer = tab.run_each(script, Activation::None, *timeout + GRACE).await.map_err(failed)?;
    let found = serde_json::from_value(answer)
        .map_err(|error| Error::internal("The page's answer about an element was not understood.", error))?;
    let why = match found {
        Found::At(point) => return Ok(point),
        Found::Invalid(words) => {
            return Err(Error::invalid("selector", format!("{selector:?} is not valid: {words}")));
        }
        Found::Matches(0) => format!("no element matched {selector:?} within {millis} ms"),
        Found::Matches(1) => {
            format!("only one element matched {selector:?} within {millis} ms, and index {index} is wanted")
        }
        Found::Matches(count) => {
            format!(
                "only {count} elements matched {selector:?} within {millis} ms, and index {index} is wanted"
            )
        }
        Found::Unseen(Unseen::Hidden) => {
            format!("element {index} that matches {selector:?} was not visible within {millis} ms")
        }
        Found::Unseen(Unseen::Outside) => {
            format!(
                "element {index} that matches {selector:?} could not be brought into view within {millis} ms"
            )
        }
    };
    Err(Error::invalid("selector", why))
}

/// Elements come in the order of the document, those in a shadow root after its host. An element that moves is waited for
/// until it has been in one place for two looks. What is measured is its first box: the middle of a link that is broken over
/// two lines may be beside both.
const SCRIPT: &str = "async ([selector, index, millis]) => {
    try { document.createDocumentFragment().querySelector(selector); }
    catch (error) { return { invalid: error.message }; }
    const matches = (root, found = []) => {
        for (const element of root.querySelectorAll('*')) {
            if (element.matches(selector)) found.push(element);
            if (element.shadowRoot) matches(element.shadowRoot, found);
        }
        return found;
    };
    const boxes = (element) => [...element.getClientRects()].filter((box) => box.width > 0 && box.height > 0);
    const hidden = (element) => getComputedStyle(element).visibility !== 'visible';
    const seen = (box) => {
        const [left, right] = [Math.max(box.left, 0), Math.min(box.right, innerWidth)];
        const [top, bottom] = [Math.max(box.top, 0), Math.min(box.bottom, innerHeight)];
        return right > left && bottom > top ? { x: (left + right) / 2, y: (top + bottom) / 2 } : undefined;
    };
    const inside = (box) => box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight;
    let last;
    const look = () => {
        const found = matches(document);
        const element = found[index];
        if (!element) return { matches: found.length };
        const first = boxes(element)[0];
        if (!first || hidden(element)) return { unseen: 'hidden' };
        if (!inside(first)) element.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
        const at = boxes(element).map(seen).find(Boolean);
        return at ? { at } : { unseen: 'outside' };
    };
    const deadline = performance.now() + millis;
    for (;;) {
        const now = look();
        const still = now.at && last?.at && now.at.x === last.at.x && now.at.y === last.at.y;
        const over = performance.now() >= deadline;
        if (still || (over && (now.at || last))) return now;
        last = now;
        await new Promise((next) => setTimeout(next, now.at ? 16 : Math.min(50, Math.max(deadline - performance.now(), 0))));
    }
}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_answers_are_understood() {
        let read = |answer| serde_json::from_value::<Found>(answer).unwrap();
        assert_eq!(read(json!({"at": {"x": 1.5, "y": 2}})), Found::At(Point { x: 1.5, y: 2.0 }));
        assert_eq!(read(json!({"invalid": "no"})), Found::Invalid("no".to_owned()));
        assert_eq!(read(json!({"matches": 3})), Found::Matches(3));
        assert_eq!(read(json!({"unseen": "hidden"})), Found::Unseen(Unseen::Hidden));
        assert_eq!(read(json!({"unseen": "outside"})), Found::Unseen(Unseen::Outside));
    }
}
