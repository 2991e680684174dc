//! Service workers: those of two origins answer after the restore, with the site gone.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::ground::{Ground, Pair};

const ORIGINS: &[&str] = &["https://harbour.example", "https://pier.example"];
const INSTALL: &str = "navigator.serviceWorker.register('/worker.js')
    .then(() => navigator.serviceWorker.ready).then((worker) => worker.active.state)";

async fn service_workers_answer_offline(pair: Pair) -> Result<()> {
    let mut ground = Ground::new().await?;
    let mut session = ground.session(pair.saved_by).await?;
    for origin in ORIGINS {
        session.page.visit(&format!("{origin}/")).await?;
        session.page.evaluate(INSTALL).await?;
        session.page.wait_for("navigator.serviceWorker.controller?.state === 'activated'").await?;
    }
    ground.end(session).await?;
    ground.site.stop().await;
    let mut session = ground.session(pair.opened_in).await?;
    // A name without a worker: where one lets a navigation pass and nobody answers, Chromium's `Page.navigate` hangs.
    ensure!(session.page.visit("https://buoy.example/").await.is_err(), "the site still answers");
    for origin in ORIGINS {
        session.page.visit(&format!("{origin}/offline")).await?;
        let found = session
            .page
            .evaluate(
                "Promise.all([fetch('/offline/data'), fetch('/computed')])
                    .then((answers) => Promise.all(answers.map((answer) => answer.text())))
                    .then((texts) => [document.title, ...texts])",
            )
            .await?;
        let host = origin.trim_start_matches("https://");
        let expected =
            json!(["/offline", "<!doctype html><title>/offline/data</title>", format!("computed on {host}")]);
        ensure!(found == expected, "{origin}: {found}");
    }
    ground.end(session).await
}

crate::in_every_pair!(service_workers_answer_offline);
