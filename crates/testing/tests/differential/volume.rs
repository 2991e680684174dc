//! Much at once, and much in one message.

use anyhow::Result;
use serde_json::{Value, json};

use crate::pair::Pair;
use crate::script::Script;

/// How many commands each client has under way at once.
const AT_ONCE: usize = 200;
/// The longest text that is sent, and asked for, in bytes. A pipe is read 256 KiB at a time.
const HUGE: usize = 4 << 20;

/// All clients speak at once, all with the same ids, to one page and to the browser.
pub async fn interleaved(pair: &mut Pair) -> Result<()> {
    let mut script = Script::default();
    script.at(2, None).call("Target.attachToTarget", &json!({"targetId": "{{target}}", "flatten": true}));
    script.keep("third", "/result/sessionId");
    pair.play(script).await?;
    pair.flood(many().into_steps(), Value::clone).await
}

fn many() -> Script {
    let mut script = Script::default();
    for number in 0..AT_ONCE {
        for (client, session) in ["page", "second", "third"].into_iter().enumerate() {
            let mut message = message(client, number);
            if number % 5 != 0 {
                message["sessionId"] = format!("{{{{{session}}}}}").into();
            }
            script.at(client, None).say("one of many", message.to_string());
        }
    }
    script
}

fn message(client: usize, number: usize) -> Value {
    let evaluate = |expression: String| json!({"expression": expression, "returnByValue": true});
    let (method, params) = match number % 5 {
        0 => ("Browser.getVersion", json!({})),
        1 => ("NoSuch.method", json!({})),
        2 => ("Runtime.evaluate", evaluate(format!("'{client}-{number}'"))),
        3 => ("Runtime.evaluate", evaluate(format!("'x'.repeat({number}00)"))),
        _ => ("DOM.getDocument", json!({"depth": 1})),
    };
    json!({"id": number, "method": method, "params": params})
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
