//! A file in a form (`multipart/form-data`), poured from the line to where it goes, piece by piece.
//!
//! The form's reader takes whatever the line has before it looks at any of it, and keeps it in memory until it is understood. So
//! it is fed one piece at a time, and no more than [`MAX_HELD_BYTES`] that it makes nothing of.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::RequestExt as _;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::{HeaderMap, StatusCode, header};
use hyper::body::{Frame, SizeHint};
use tempfile::TempPath;
use tokio::io::AsyncWriteExt as _;

use super::body_deadline::TooSlow;
use super::error::Failure;
use crate::error::Error;
use crate::session::extensions::ExtensionRoot;
use crate::session::files::{FileName, Incoming, Stored};

/// How the paths of these routes end.
pub const ROUTES: [&str; 4] = ["/uploads", "/agent/files", "/extensions", "/certificates"];
/// The form's field that holds the file.
const FIELD: &str = "file";
/// How much the form's reader may take in without giving anything out, in bytes: beyond any head of a part, and any other field.
const MAX_HELD_BYTES: usize = 1 << 20;
/// How long a field of text may be, in bytes.
const MAX_TEXT_BYTES: usize = 16 << 10;

/// A form with a file, none of which has been read.
pub struct UploadBody {
    form: Multipart,
    line: Line,
    /// How long the body says that it is, in bytes.
    announced: Option<u64>,
}

impl<S: Send + Sync> FromRequest<S> for UploadBody {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        let announced = request.body().size_hint().exact();
        require_form(request.headers())?;
        let (parts, body) = request.into_parts();
        let line = Line(Arc::new(Mutex::new(Held { body, pause: false, bytes: 0 })));
        let mut request = Request::from_parts(parts, Body::new(line.clone()));
        // What a file may have is counted where it is written.
        DefaultBodyLimit::disable().apply(&mut request);
        let form = request.extract::<Multipart, _>().await;
        let form = form.map_err(|_| malformed("its content type names no boundary"))?;
        Ok(Self { form, line, announced })
    }
}

impl UploadBody {
    /// Pours the form's file into where it goes.
    pub async fn pour(mut self, mut incoming: Incoming) -> Result<Stored, Failure> {
        if let Some(bytes) = self.announced {
            incoming.expect_size(bytes.saturating_sub(MAX_HELD_BYTES as u64))?;
        }
        while let Some(mut field) = self.form.next_field().await.map_err(|error| unread(&error))? {
            self.line.went_on();
            if field.name() != Some(FIELD) {
                continue;
            }
            let name = FileName::of(field.file_name().unwrap_or_default());
            while let Some(piece) = next_piece(&mut field, &self.line).await? {
                incoming.write(&piece).await?;
            }
            return Ok(incoming.finish(name).await?);
        }
        Err(malformed(format!("no file uploaded: the form has no field {FIELD:?}")))
    }
}

/// A whole form: its fields of text, and its file, which goes when this is dropped.
pub struct Form {
    texts: HashMap<String, String>,
    file: Option<FormFile>,
}

/// A file that came in a form.
pub struct FormFile {
    /// What it was called.
    pub name: FileName,
    /// Where it is until it is put elsewhere.
    pub path: TempPath,
}

impl Form {
    /// Takes a field of text out, if the form has it.
    pub fn take_text(&mut self, field: &str) -> Option<String> {
        self.texts.remove(field)
    }

    /// Takes a field of text out that the form must have.
    pub fn require_text(&mut self, field: &str) -> Result<String, Failure> {
        self.take_text(field).ok_or_else(|| Error::invalid(field, "is required").into())
    }

    /// Takes the file out, which the form must have.
    pub fn require_file(&mut self) -> Result<FormFile, Failure> {
        self.file
            .take()
            .ok_or_else(|| malformed(format!("no file uploaded: the form has no field {FIELD:?}")))
    }
}

impl UploadBody {
    /// Reads the whole form, whatever the order of its fields. The file may have so many bytes, and is kept aside meanwhile.
    ///
    /// Errors: [`Error::TooLarge`]; a form that is malformed, or has a field twice.
    pub async fn read(mut self, texts: &[&str], most: u64, aside: &ExtensionRoot) -> Result<Form, Failure> {
        if self.announced.is_some_and(|bytes| bytes.saturating_sub(MAX_HELD_BYTES as u64) > most) {
            return Err(too_large(most));
        }
        let mut form = Form { texts: HashMap::new(), file: None };
        while let Some(mut field) = self.form.next_field().await.map_err(|error| unread(&error))? {
            self.line.went_on();
            let name = field.name().unwrap_or_default().to_owned();
            if form.texts.contains_key(&name) || (name == FIELD && form.file.is_some()) {
                return Err(malformed(format!("the form has the field {name:?} twice")));
            }
            if name == FIELD {
                form.file = Some(put_aside(&mut field, &self.line, most, aside).await?);
            } else if texts.contains(&name.as_str()) {
                form.texts.insert(name, text(&mut field, &self.line).await?);
            }
        }
        Ok(form)
    }
}

async fn put_aside(
    field: &mut Field<'_>,
    line: &Line,
    most: u64,
    aside: &ExtensionRoot,
) -> Result<FormFile, Failure> {
    let failed = |error: std::io::Error| Error::internal("The file could not be stored.", error);
    let name = FileName::of(field.file_name().unwrap_or_default());
    let aside = aside.clone();
    let made = tokio::task::spawn_blocking(move || aside.temporary()).await;
    let (file, path) = made.expect("making a file does not panic")?.into_parts();
    let (mut file, mut bytes) = (tokio::fs::File::from_std(file), 0);
    while let Some(piece) = next_piece(field, line).await? {
        bytes += piece.len() as u64;
        if bytes > most {
            return Err(too_large(most));
        }
        file.write_all(&piece).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    Ok(FormFile { name, path })
}

async fn text(field: &mut Field<'_>, line: &Line) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    while let Some(piece) = next_piece(field, line).await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MAX_TEXT_BYTES {
            return Err(malformed("a field of text is too long"));
        }
    }
    String::from_utf8(bytes).map_err(|_| malformed("a field of text is not UTF-8"))
}

fn too_large(most: u64) -> Failure {
    let most = if most >> 20 > 0 { format!("{} MiB", most >> 20) } else { format!("{} KiB", most >> 10) };
    Error::TooLarge(format!("The file is too large: at most {most} are taken.")).into()
}

async fn next_piece(field: &mut Field<'_>, line: &Line) -> Result<Option<Bytes>, Failure> {
    let piece = field.chunk().await.map_err(|error| unread(&error))?;
    line.went_on();
    Ok(piece)
}

/// A request's body, for its form's reader.
#[derive(Clone)]
struct Line(Arc<Mutex<Held>>);

struct Held {
    body: Body,
    /// Whether the reader is to look at what it has before it gets more.
    pause: bool,
    /// What it was given since it last went on, in bytes.
    bytes: usize,
}

impl Line {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the reader has made something of what it was given.
    fn went_on(&self) {
        self.held().bytes = 0;
    }
}

impl HttpBody for Line {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut held = self.held();
        if std::mem::take(&mut held.pause) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = Pin::new(&mut held.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            held.pause = true;
            held.bytes += frame.data_ref().map_or(0, Bytes::len);
            if held.bytes > MAX_HELD_BYTES {
                return Poll::Ready(Some(Err(axum::Error::new(HeldTooMuch))));
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.held().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.held().body.size_hint()
    }
}

/// The form's reader made nothing of what it was given.
#[derive(Debug, thiserror::Error)]
#[error("a part's head, or a field before the file, is too large")]
struct HeldTooMuch;

/// Refuses a body that is no form.
fn require_form(headers: &HeaderMap) -> Result<(), Failure> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("multipart/form-data") {
        return Ok(());
    }
    let message =
        "The body must be a form with the file in its field \"file\": send it as multipart/form-data.";
    Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

/// Says why a form could not be read to its end.
fn unread(error: &MultipartError) -> Failure {
    let first: &(dyn std::error::Error + 'static) = error;
    let causes = || std::iter::successors(Some(first), |error| error.source());
    if causes().any(<dyn std::error::Error>::is::<TooSlow>) {
        let message = "The body did not arrive in time; send it without pauses.";
        return Failure::new(StatusCode::REQUEST_TIMEOUT, message);
    }
    if causes().any(<dyn std::error::Error>::is::<HeldTooMuch>) {
        return malformed(HeldTooMuch);
    }
    malformed("it is no whole form")
}

fn malformed(why: impl std::fmt::Display) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, format!("The body is malformed: {why}."))
}
