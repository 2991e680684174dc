//! Tunnels: CONNECT, and what a plain request was upgraded to.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;

use crate::content::Answer;
use crate::counted_stream::CountedStream;
use crate::failure::Failure;
use crate::listener::Inner;
use crate::pump::pump;
use crate::way::{OpenWay, WayOut};
use crate::{Destination, Stream};

/// Opens a tunnel for a CONNECT: the answer is a success only once the destination is connected.
pub(crate) async fn open(
    inner: &Arc<Inner>,
    way: &Arc<WayOut>,
    open: &OpenWay,
    request: Request<Incoming>,
    destination: &Destination,
) -> Result<Response<Answer>, Failure> {
    let network = way.unless_cut(open.dialer.open(destination)).await?;
    open.tally.reached(&destination.host);
    let counted = open.tally.connection();
    let browser = hyper::upgrade::on(request);
    let way = Arc::clone(way);
    inner.tasks.spawn(async move {
        if let Some(browser) = way.unless_cut(take_browser(browser)).await.ok().flatten() {
            pump(browser, network, counted, &way.cut).await;
        }
    });
    Ok(Response::new(Answer::empty()))
}

/// Carries what a site and a browser have agreed to speak instead of HTTP.
pub(crate) fn upgrade(inner: &Arc<Inner>, way: &Arc<WayOut>, browser: OnUpgrade, network: OnUpgrade) {
    let way = Arc::clone(way);
    inner.tasks.spawn(async move {
        let both = async { Ok(tokio::join!(take_browser(browser), network)) };
        let Ok((Ok(Some(browser)), Ok(network))) = way.unless_cut(both).await else {
            return;
        };
        if let Ok(parts) = network.downcast::<TokioIo<CountedStream>>() {
            let (network, counted) = parts.io.into_inner().into_parts();
            pump(browser, network.with_early(parts.read_buf), counted, &way.cut).await;
        }
    });
}

/// Takes the browser's connection back from HTTP. There is none if it hung up before it had the answer.
async fn take_browser(upgrade: OnUpgrade) -> Result<Option<Stream>, Failure> {
    let take = |upgraded: Upgraded| upgraded.downcast::<TokioIo<Stream>>().ok();
    let parts = upgrade.await.ok().and_then(take);
    Ok(parts.map(|parts| parts.io.into_inner().with_early(parts.read_buf)))
}
