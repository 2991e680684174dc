//! Events: each client hears those of its own CDP sessions and of its own root, all of them, and no one else's.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::pair::{CLIENTS, Pair};
use crate::script::Script;

/// Each client's session of the page that all share, and of one that it makes for itself.
const SESSIONS: [[&str; 2]; CLIENTS] = [["page", "own0"], ["second", "own1"], ["third", "own2"]];
/// What the pages that the clients make are called.
const OWN_TARGETS: [&str; CLIENTS] = ["target0", "target1", "target2"];
/// How often each client logs in each of its sessions.
const TIMES: usize = 20;
/// How many events that makes: in a shared page everyone hears everyone; each target that is made is told to one client.
const EXPECTED: usize = CLIENTS * CLIENTS * TIMES + CLIENTS * TIMES + CLIENTS;

/// All clients log at once, and make targets, which the second one alone wants to hear of.
pub async fn play(pair: &mut Pair) -> Result<()> {
    pair.play(listen()).await?;
    pair.forget_events();
    pair.flood(log().into_steps(), Value::clone).await?;
    // What a session answers now comes after all of its events.
    pair.flood(fence().into_steps(), Value::clone).await?;
    let heard = pair.compare_events(&["Runtime.consoleAPICalled", "Target.targetCreated"]);
    ensure!(heard == EXPECTED, "{heard} events were heard, not {EXPECTED}");
    Ok(())
}

fn listen() -> Script {
    let mut script = Script::default();
    for (client, [shared, own]) in SESSIONS.into_iter().enumerate() {
        let target = OWN_TARGETS[client];
        script.at(client, None).call("Target.createTarget", &json!({"url": "about:blank"}));
        script.keep(target, "/result/targetId");
        let attach = json!({"targetId": format!("{{{{{target}}}}}"), "flatten": true});
        script.call("Target.attachToTarget", &attach).keep(own, "/result/sessionId");
        script.at(client, Some(shared)).bare("Runtime.enable");
        script.at(client, Some(own)).bare("Runtime.enable");
    }
    script.at(1, None).call("Target.setDiscoverTargets", &json!({"discover": true}));
    script
}

fn log() -> Script {
    let mut script = Script::default();
    for time in 0..TIMES {
        for (client, sessions) in SESSIONS.into_iter().enumerate() {
            for session in sessions {
                script.at(client, Some(session)).evaluate(&format!("console.log('{session} {time}')"));
            }
        }
    }
    for client in 0..CLIENTS {
        script.at(client, None).call("Target.createTarget", &json!({"url": "about:blank"}));
    }
    script
}

fn fence() -> Script {
    let mut script = Script::default();
    for (client, sessions) in SESSIONS.into_iter().enumerate() {
        script.at(client, None).bare("Browser.getVersion");
        for session in sessions {
            script.at(client, Some(session)).evaluate("'fence'");
        }
    }
    script
}
