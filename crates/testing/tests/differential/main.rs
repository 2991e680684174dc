//! The same answers as a bare debugging port: DevTools commands, right and wrong ones, go to two browsers that differ in one
//! thing. One belongs to a server, whose clients come through its multiplexer; the other has `--remote-debugging-port`.
//!
//! What the protocol leaves open (ids, times, the order of events) is made equal before the answers are compared. What is meant
//! to differ is in [`wanted`], each with its reason; an entry that is not needed any more fails the test.

mod bare;
mod breadth;
mod cases;
mod events;
mod findings;
mod malformed;
mod normal;
mod pair;
mod script;
mod sessions;
mod volume;
mod wanted;
mod wire;

use anyhow::Result;

use crate::pair::Pair;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_hear_what_a_debugging_port_would_say() -> Result<()> {
    let mut pair = Pair::start().await?;
    pair.play(cases::script()).await?;
    pair.play(malformed::script()).await?;
    pair.play(sessions::script()).await?;
    volume::interleaved(&mut pair).await?;
    volume::huge(&mut pair).await?;
    events::play(&mut pair).await?;
    breadth::play(&mut pair).await?;
    pair.judge().await
}
