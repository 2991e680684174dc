//! Contents of requests and answers, on their way through.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

type BoxError = Box<dyn Error + Send + Sync>;

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

/// An answer's content on its way to the browser.
pub(crate) enum Answer {
    /// A page of ours.
    Page(Full<Bytes>),
    /// The site's.
    Site(SiteContent),
}

/// What a site sends, which ends in an error when the route is cut: an end would make half of a page look like all of it.
pub(crate) struct SiteContent {
    incoming: Incoming,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the route was changed")]
struct RouteChanged;

impl Answer {
    /// Nothing.
    pub fn empty() -> Self {
        Self::Page(Full::default())
    }

    /// A page.
    pub fn page(text: String) -> Self {
        Self::Page(text.into())
    }

    /// What came over a route that this cuts.
    pub fn site(incoming: Incoming, cut: &CancellationToken) -> Self {
        Self::Site(SiteContent { incoming, cut: Box::pin(cut.clone().cancelled_owned()) })
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            Self::Page(page) => Pin::new(page).poll_frame(cx).map_err(|never| match never {}),
            Self::Site(site) => {
                if site.cut.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Some(Err(RouteChanged.into())));
                }
                Pin::new(&mut site.incoming).poll_frame(cx).map_err(Into::into)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Page(page) => page.is_end_stream(),
            Self::Site(site) => site.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Page(page) => page.size_hint(),
            Self::Site(site) => site.incoming.size_hint(),
        }
    }
}
