//! Much at once, and much in one message.

use anyhow::Result;
use serde_json::json;

use crate::pair::{CLIENTS, Pair};
use crate::script::{Script, Step};

/// How many commands each client has under way at once.
const AT_ONCE: usize = 200;
/// The longest text that is sent, and asked for, in bytes.
const HUGE: usize = 12 << 20;

/// All clients speak at once, all with the same ids, to one page and to the browser.
pub async fn interleaved(pair: &mut Pair) -> Result<()> {
    let mut script = Script::default();
    script.at(2, None).call("Target.attachToTarget", &json!({"targetId": "{{target}}", "flatten": true}));
    script.keep("third", "/result/sessionId");
    pair.play(script).await?;
    let steps: Vec<Step> =
        (0..AT_ONCE * CLIENTS).map(|number| step(number % CLIENTS, number / CLIENTS)).collect();
    let (ours, bare) = tokio::try_join!(pair.ours.flood(&steps), pair.bare.flood(&steps))?;
    for (ours, bare) in ours.iter().flatten().zip(bare.iter().flatten()) {
        pair.compare("one of many", ours, bare);
    }
    Ok(())
}

fn step(client: usize, number: usize) -> Step {
    let session = ["page", "second", "third"][client];
    let (method, params) = match number % 5 {
        0 => ("Browser.getVersion", json!({})),
        1 => ("NoSuch.method", json!({})),
        2 => {
            ("Runtime.evaluate", json!({"expression": format!("'{client}-{number}'"), "returnByValue": true}))
        }
        3 => (
            "Runtime.evaluate",
            json!({"expression": format!("'x'.repeat({number}00)"), "returnByValue": true}),
        ),
        _ => ("DOM.getDocument", json!({"depth": 1})),
    };
    let mut message = json!({"id": number, "method": method, "params": params});
    if method != "Browser.getVersion" {
        message["sessionId"] = format!("{{{{{session}}}}}").into();
    }
    Step { name: method.to_owned(), client, text: message.to_string(), keeps: Vec::new() }
}

/// Texts that are far longer than any buffer on their way, there and back.
pub async fn huge(pair: &mut Pair) -> Result<()> {
    let mut script = Script::default();
    script.at(0, Some("page")).evaluate(&format!("'x'.repeat({HUGE})"));
    script.evaluate(&format!("'{}'.length", "y".repeat(HUGE)));
    script.evaluate(&format!("'{}'", "\u{fc}\\\\".repeat(HUGE / 16)));
    script.say("a long text that is no message", "z".repeat(HUGE));
    script.say("a long text that has no end", format!("{{\"id\":1,\"method\":\"{}", "z".repeat(HUGE)));
    script.say("a long method", format!("{{\"id\":1,\"method\":\"{}\"}}", "z".repeat(1 << 20)));
    script.at(1, Some("second")).evaluate("'still here'");
    pair.play(script).await
}
