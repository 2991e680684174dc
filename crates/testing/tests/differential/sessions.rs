//! CDP sessions: nested ones, those that have ended, those of another client.

use serde_json::json;

use crate::script::Script;

/// The steps; `page` is the first client's session, `second` the second one's, of the same page.
pub fn script() -> Script {
    let mut script = Script::default();
    nested(&mut script);
    of_another(&mut script);
    unflattened(&mut script);
    ended(&mut script);
    script
}

fn nested(script: &mut Script) {
    script.at(0, None).bare("Target.attachToBrowserTarget").keep("browser", "/result/sessionId");
    script.at(0, Some("browser")).bare("Browser.getVersion").bare("Target.attachToBrowserTarget");
    script.keep("deeper", "/result/sessionId");
    script.at(0, Some("deeper")).bare("Browser.getVersion");
    script.call("Target.attachToTarget", &json!({"targetId": "{{target}}", "flatten": true}));
    script.keep("deepest", "/result/sessionId");
    script
        .at(0, Some("deepest"))
        .evaluate("'deepest'")
        .bare("Target.getTargetInfo")
        .bare("Browser.getVersion");
    script.call(
        "Target.setAutoAttach",
        &json!({"autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true}),
    );
    script.bare("NoSuch.method");
    // With the parent the children end.
    script.at(0, Some("browser")).call("Target.detachFromTarget", &json!({"sessionId": "{{deeper}}"}));
    script.at(0, Some("deeper")).bare("Browser.getVersion");
    script.at(0, Some("deepest")).evaluate("1");
    script.at(0, None).call("Target.detachFromTarget", &json!({"sessionId": "{{deeper}}"}));
    script.call("Target.detachFromTarget", &json!({"sessionId": "{{browser}}"}));
    script.at(0, Some("browser")).bare("Browser.getVersion");
}

fn of_another(script: &mut Script) {
    for client in [0, 1, 2] {
        for session in ["page", "second"] {
            script
                .at(client, Some(session))
                .evaluate("'who'")
                .bare("Browser.getVersion")
                .bare("NoSuch.method");
        }
    }
    script.at(2, None).call("Target.detachFromTarget", &json!({"sessionId": "{{page}}"}));
    script.call("Target.sendMessageToTarget", &json!({"sessionId": "{{page}}", "message": "{}"}));
}

/// The older form, in which a message is inside another.
fn unflattened(script: &mut Script) {
    script
        .at(2, None)
        .call("Target.attachToTarget", &json!({"targetId": "{{target}}"}))
        .keep("old", "/result/sessionId");
    for message in [r#"{"id":1,"method":"Runtime.enable"}"#, r#"{"id":1,"method":"NoSuch.method"}"#] {
        script.call("Target.sendMessageToTarget", &json!({"sessionId": "{{old}}", "message": message}));
    }
    script.call(
        "Target.sendMessageToTarget",
        &json!({"sessionId": "nobody", "message": r#"{"id":1,"method":"A"}"#}),
    );
    script.call("Target.detachFromTarget", &json!({"sessionId": "{{old}}"}));
}

fn ended(script: &mut Script) {
    script
        .at(2, None)
        .call("Target.createTarget", &json!({"url": "about:blank"}))
        .keep("brief", "/result/targetId");
    script.call("Target.attachToTarget", &json!({"targetId": "{{brief}}", "flatten": true}));
    script.keep("short", "/result/sessionId");
    script
        .at(2, Some("short"))
        .evaluate("1")
        .at(2, None)
        .call("Target.closeTarget", &json!({"targetId": "{{brief}}"}));
    script.call("Target.detachFromTarget", &json!({"sessionId": "nobody"}));
}
