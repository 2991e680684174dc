//! Contents of requests and answers, on their way through.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A request's content on its way to the network.
pub(crate) struct Content {
    incoming: Option<Incoming>,
    /// Until it is done nothing is asked of the browser, which so gets its `100 Continue` when we have ours.
    held: Option<BoxFuture<'static, ()>>,
}

impl Content {
    /// None at all.
    pub fn empty() -> Self {
        Self { incoming: None, held: None }
    }

    /// The browser's.
    pub fn new(incoming: Incoming) -> Self {
        Self { incoming: Some(incoming), held: None }
    }

    /// Holds a request's content back until the site asks for it, or says nothing for a while.
    pub fn hold(request: &mut Request<Self>, patience: Duration) {
        let asked = CancellationToken::new();
        let asks = asked.clone();
        hyper::ext::on_informational(request, move |answer| {
            if answer.status() == StatusCode::CONTINUE {
                asks.cancel();
            }
        });
        let wait = async move { drop(timeout(patience, asked.cancelled()).await) };
        request.body_mut().held = Some(Box::pin(wait));
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(held) = &mut self.held {
            std::task::ready!(held.as_mut().poll(cx));
            self.held = None;
        }
        match &mut self.incoming {
            Some(incoming) => Pin::new(incoming).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

/// An answer's content on its way to the browser. A site's ends in an error, and not in an end, when its connection is dropped; hyper
/// sees to that, and `half_an_answer_never_looks_like_a_whole_one` to hyper.
pub(crate) enum Answer {
    /// A page of ours.
    Page(Full<Bytes>),
    /// The site's.
    Site(Incoming),
}

impl Answer {
    /// Nothing.
    pub fn empty() -> Self {
        Self::Page(Full::default())
    }

    /// A page.
    pub fn page(text: String) -> Self {
        Self::Page(text.into())
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Page(page) => Pin::new(page).poll_frame(cx).map_err(|never| match never {}),
            Self::Site(site) => Pin::new(site).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Page(page) => page.is_end_stream(),
            Self::Site(site) => site.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Page(page) => page.size_hint(),
            Self::Site(site) => site.size_hint(),
        }
    }
}
