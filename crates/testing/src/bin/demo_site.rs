//! The demo site by itself, for trying a browser by hand or running the conformance suites against a server elsewhere.

use std::net::SocketAddr;

use clap::Parser;
use roadstead_testing::demo_site::DemoSite;

#[derive(Parser)]
#[command(name = "demo-site", about = "Serves a small site with a real login")]
struct Arguments {
    /// Where to listen; port 0 picks a free port.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let site = DemoSite::start(arguments.listen).await?;
    println!("demo site on {}", site.url());
    Ok(site.stopped().await?)
}
