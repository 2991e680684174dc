//! Refuses URLs whose percent-encoding means nothing, before anybody below reads them each in their own way.

use std::borrow::Cow;

use axum::extract::{OriginalUri, Request};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use percent_encoding::percent_decode_str;

use super::error::Failure;

/// Lets a request through when its path and query decode to text, or answers 400.
pub async fn require_well_formed(
    OriginalUri(uri): OriginalUri,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    check("path", uri.path())?;
    check("query", uri.query().unwrap_or_default())?;
    Ok(next.run(request).await)
}

fn check(part: &str, text: &str) -> Result<(), Failure> {
    let wrong = |why: &str| {
        Failure::new(StatusCode::BAD_REQUEST, Cow::Owned(format!("The URL's {part} is malformed: {why}.")))
    };
    let mut escapes = text.split('%');
    escapes.next();
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !escapes.all(is_escape) {
        return Err(wrong("a percent sign is not followed by two hexadecimal digits"));
    }
    percent_decode_str(text).decode_utf8().map(drop).map_err(|_| wrong("it does not decode to UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_is_well_formed() {
        for good in ["", "/v1/profiles/my%20profile%2F..%2Fx", "%D0%BF%d1%80", "a=b&c"] {
            assert!(check("path", good).is_ok(), "{good}");
        }
        for bad in ["%", "%2", "%zz", "a%2", "%ff", "%C3%28", "%é"] {
            assert!(check("path", bad).is_err(), "{bad}");
        }
    }
}
