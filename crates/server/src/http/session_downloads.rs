//! `/v1/sessions/{session_id}/downloads`: what a session's browser downloaded, and the files.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use futures_util::stream::{Stream, try_unfold};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use roadstead_api::{Data, DownloadId, DownloadItem, ErrorResponse, Items, SessionId};
use tokio::io::AsyncReadExt as _;

use super::TAG_SESSIONS;
use super::error::Failure;
use super::file_access::{FilePath, OpenFile, TokenParams};
use super::origin::WebSocketOrigin;
use super::params::{SessionPath, session_id};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{DOWNLOAD_NOT_FOUND, SESSION_NOT_FOUND};
use crate::session::access::Access;
use crate::session::downloads::{Download, DownloadState, KeptFile};

/// How much of a file is read at once, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// List downloads
///
/// All that are over, oldest first: captured whether or not a client is connected, and kept for a time after the session's end.
#[utoipa::path(
    get, path = "/sessions/{session_id}/downloads", tag = TAG_SESSIONS, params(("session_id" = String, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "They.", body = Data<Items<DownloadItem>>),
        (status = 404, description = "There is no such session.", body = ErrorResponse),
    )
)]
pub async fn list_downloads(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    origin: WebSocketOrigin,
    SessionPath(id): SessionPath,
) -> Result<Json<Data<Items<DownloadItem>>>, Failure> {
    let downloads = app.sessions().downloads(caller.project, id).await?;
    Ok(Json(Data::of(downloads.into_iter().map(|download| shown(&origin, id, download)).collect())))
}

/// Fetch a download
///
/// With the project's key, or as long as the session runs with one of its tokens, or with the download's own, which DevTools clients are
/// told with `Anchor.downloadReady`.
#[utoipa::path(
    get, path = "/sessions/{session_id}/downloads/{download_id}", tag = TAG_SESSIONS,
    params(
        ("session_id" = String, Path, description = "The session's id."),
        ("download_id" = String, Path, description = "The download's id."),
        TokenParams,
    ),
    responses(
        (status = 200, description = "The file.", content_type = "application/octet-stream", body = [u8]),
        (status = 404, description = "There is no such session or download, it has no file, or it has expired.", body = ErrorResponse),
    )
)]
pub async fn fetch_download(
    State(app): State<App>,
    OpenFile { project, path: DownloadPath(session, id) }: OpenFile<DownloadPath>,
) -> Result<impl IntoResponse, Failure> {
    let (download, file) = app.sessions().download(project, (session, id)).await?;
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_LENGTH, file.size().to_string()),
        (CONTENT_DISPOSITION, disposition(&download.suggested_name)),
        // It came from anywhere: nobody is to guess what it is, and to show it as a page of this server's.
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(pieces(file))))
}

/// The session and the download in a path.
#[derive(Clone, Copy, Debug)]
pub struct DownloadPath(SessionId, DownloadId);

impl<S: Send + Sync> FromRequestParts<S> for DownloadPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((session, id)) = path.map_err(|_| SESSION_NOT_FOUND)?;
        Ok(Self(session_id(&session)?, id.parse().map_err(|_| DOWNLOAD_NOT_FOUND)?))
    }
}

impl FilePath for DownloadPath {
    fn session(&self) -> SessionId {
        self.0
    }

    fn is_opened_by(&self, access: &Access, token: &str) -> bool {
        access.opens_download(token, self.1)
    }
}

fn shown(origin: &WebSocketOrigin, session: SessionId, download: Download) -> DownloadItem {
    let has_file = download.state == DownloadState::Completed;
    DownloadItem {
        id: download.id,
        status: download.state.as_str(),
        detail: download.detail,
        file_link: has_file.then(|| origin.download_url(session, download.id)),
        original_download_url: download.url,
        origin_url: download.origin_url,
        suggested_file_name: download.suggested_name,
        original_file_name: download.original_name,
        duration: download.duration_ms,
        size: download.size,
        created_at: download.created_at,
    }
}

/// Names a file for whoever saves it: in ASCII for old clients, and as it is (RFC 6266).
fn disposition(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() && !"\"\\%;".contains(c) || c == ' ' { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    format!(
        "attachment; filename=\"{ascii}\"; filename*=UTF-8''{}",
        utf8_percent_encode(name, NON_ALPHANUMERIC)
    )
}

/// Reads a file piece by piece. It stays where it is until the last is read.
fn pieces(kept: KeptFile) -> impl Stream<Item = std::io::Result<Bytes>> {
    try_unfold((kept, None), async |(kept, open): (KeptFile, Option<tokio::fs::File>)| {
        let mut file = match open {
            Some(file) => file,
            None => tokio::fs::File::from_std(kept.file()?),
        };
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let read = file.read_buf(&mut piece).await?;
        Ok((read > 0).then(|| (Bytes::from(piece), (kept, Some(file)))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_in_two_ways_and_breaks_neither() {
        for (name, expected) in [
            ("a b.txt", "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b%2Etxt"),
            ("ü\";x=\"y", "attachment; filename=\"___x=_y\"; filename*=UTF-8''%C3%BC%22%3Bx%3D%22y"),
        ] {
            assert_eq!(disposition(name), expected);
        }
    }
}
