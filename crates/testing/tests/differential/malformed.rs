//! What is no message, or not quite: the codes and the words of the refusals are the browser's own.

use serde_json::json;

use crate::script::Script;

/// The steps, all by the second client; `second` is its session of the page.
pub fn script() -> Script {
    let mut script = Script::default();
    script.at(1, None);
    script.call("Target.attachToTarget", &json!({"targetId": "{{target}}", "flatten": true}));
    script.keep("second", "/result/sessionId");
    texts(&mut script);
    ids(&mut script);
    for (label, session) in
        [("own", "{{second}}"), ("of another", "{{page}}"), ("unknown", "nobody"), ("empty", "")]
    {
        members(&mut script, label, session);
    }
    depths(&mut script);
    script
}

fn texts(script: &mut Script) {
    for text in [
        "",
        " ",
        "x",
        "null",
        "true",
        "7",
        "-",
        "\"a\"",
        "[]",
        "[{}]",
        "{}",
        "{",
        "}",
        "{]",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "{\"a\":tru}",
        "{\"a\":nullx}",
        "{\"a\":\"\\q\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"b}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{,}",
        "{\"a\":[1,]}",
        "{\"a\":[,]}",
        "{\"a\":[1 2]}",
        "{\"a\":[1}",
        "/* a */ {}",
        "{} // a",
        "{}{}",
        "{} x",
        "\u{feff}{}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":\"\u{7f}\"}",
        "{1:2}",
        "{null:2}",
        "{\"a\":{}",
        "{\"method\":\"Browser.getVersion\"}",
        "{\"id\":1}",
        "{\"id\":1,\"method\":7}",
        "{\"id\":1,\"method\":null}",
        "{\"id\":1,\"method\":[]}",
        "{\"id\":1,\"params\":{}}",
        "{\"id\":1,\"method\":\"Browser.getVersion\",\"params\":[]}",
        "{\"id\":1,\"method\":\"Browser.getVersion\",\"params\":7}",
        "{\"id\":1,\"method\":\"Browser.getVersion\",\"params\":null}",
        "{\"id\":1,\"method\":\"Browser.getVersion\",\"extra\":1}",
        "{\"id\":1,\"method\":\"Browser.getVersion\",\"result\":{}}",
        "{\"id\":1,\"id\":1,\"method\":\"Browser.getVersion\"}",
        "{\"id\":1,\"method\":\"Browser.getVersion\",\"method\":\"x\"}",
        "{\"id\":1,\"method\":\"Browser.getVersion\",\"sessionId\":7}",
        "{\"id\":1,\"method\":\"Browser.getVersion\",\"sessionId\":null}",
        "{\"id\":1,\"method\":\"Browser.getVersion\",\"params\":{},\"params\":{}}",
        "\t{\n\"id\" :\r1, \"method\" : \"Browser.getVersion\" } ",
        "{\"\\u0069d\":1,\"m\\u0065thod\":\"Browser\\u002egetVersion\"}",
        "{\"id\":1,\"method\":\"Browser.getVersion\\u0000\"}",
        "{\"id\":1,\"method\":\"\\ud800\"}",
        "{\"id\":1,\"method\":\"\u{fc}.\u{1f600}\"}",
    ] {
        script.say(text, text);
    }
}

fn ids(script: &mut Script) {
    for id in [
        "0",
        "-1",
        "-0",
        "1.0",
        "2e3",
        "1e9",
        "1.5",
        "2147483647",
        "2147483648",
        "-2147483648",
        "-2147483649",
        "99999999999999999999",
        "1e400",
        "-1e400",
        "1e-400",
        "0.0",
        "\"1\"",
        "\"a\"",
        "null",
        "true",
        "[1]",
        "{}",
        "007",
        "0x1",
    ] {
        let text = format!("{{\"id\":{id},\"method\":\"Browser.getVersion\"}}");
        script.say(&format!("the id {id}"), text.clone());
        script.say(&format!("the id {id}"), text.replace("Browser.getVersion", "No.such"));
    }
}

fn members(script: &mut Script, label: &str, session: &str) {
    for (name, rest) in [
        ("nothing else", r#""method":"Runtime.evaluate""#),
        ("no method", r#""params":{}"#),
        ("an unknown method", r#""method":"Runtime.noSuch""#),
        ("an unknown domain", r#""method":"NoSuch.noSuch""#),
        ("a wrong type", r#""method":"Runtime.evaluate","params":{"expression":7}"#),
        (
            "a wrong optional type",
            r#""method":"Runtime.evaluate","params":{"expression":"1","returnByValue":"yes"}"#,
        ),
        ("one that is not known", r#""method":"Runtime.evaluate","params":{"expression":"1","noSuch":1}"#),
        ("one twice", r#""method":"Runtime.evaluate","params":{"expression":"1","expression":"2"}"#),
        ("params that are a list", r#""method":"Runtime.evaluate","params":["1"]"#),
        ("params that are a string", r#""method":"Runtime.evaluate","params":"expression""#),
        ("params that are null", r#""method":"Runtime.evaluate","params":null"#),
        ("half a pair", r#""method":"Runtime.evaluate","params":{"expression":"'\ud800'"}"#),
        ("a method of another kind of target", r#""method":"Target.getTargets","params":{"filter":7}"#),
        (
            "nested params",
            r#""method":"Input.dispatchMouseEvent","params":{"type":"mouseMoved","x":"a","y":null}"#,
        ),
    ] {
        script.say(&format!("{label}: {name}"), format!("{{\"id\":5,{rest},\"sessionId\":\"{session}\"}}"));
        script.say(&format!("{label}: {name}"), format!("{{\"sessionId\":\"{session}\",\"id\":6,{rest}}}"));
    }
}

fn depths(script: &mut Script) {
    for depth in [10, 100, 297, 298, 299, 300, 301, 1000, 100_000] {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        script.say(
            &format!("{depth} lists deep"),
            format!("{{\"id\":1,\"method\":\"Browser.getVersion\",\"params\":{{\"x\":{open}{close}}}}}"),
        );
        let (open, close) = ("{\"a\":".repeat(depth), "}".repeat(depth));
        script.say(
            &format!("{depth} objects deep"),
            format!("{{\"id\":1,\"method\":\"Browser.getVersion\",\"x\":{open}1{close}}}"),
        );
    }
    script
        .say("an end that is missing", "{\"id\":1,\"method\":\"Browser.getVersion\",\"params\":{\"x\":[[[[");
    script.say("many members", format!("{{{}\"id\":1,\"method\":\"Browser.getVersion\"}}", many_members()));
}

fn many_members() -> String {
    (0..2000).map(|number| format!("\"m{number}\":{number},")).collect::<Vec<_>>().concat()
}
