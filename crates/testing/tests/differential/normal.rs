//! Makes equal what two browsers may differ in: ids, times, processes, and the ends of their connections.

use std::collections::BTreeMap;

use serde_json::Value;

/// Members whose values belong to one browser alone.
const OWN: &[&str] = &[
    "authenticatorId",
    "backendDOMNodeId",
    "backendNodeId",
    "browserContextId",
    "browserContextIds",
    "debuggerId",
    "executionContextId",
    "frameId",
    "guid",
    "loaderId",
    "objectId",
    "openerId",
    "pid",
    "processId",
    "scriptId",
    "searchId",
    "sessionId",
    "startTime",
    "stream",
    "styleSheetId",
    "targetId",
    "timestamp",
    "title",
    "uniqueId",
    "wallTime",
    "windowId",
];
/// How many hexadecimal digits make a target's or a session's id.
const ID_DIGITS: usize = 32;

/// Makes an answer comparable. `names` are what this browser's own ids are called in the script.
pub fn normal(answer: &Value, names: &BTreeMap<String, String>) -> Value {
    match answer {
        // The outermost object's session is told by its name, so that an answer from a wrong one shows.
        Value::Object(members) => {
            members.iter().map(|(key, member)| (key.clone(), value(member, names))).collect()
        }
        other => value(other, names),
    }
}

fn value(found: &Value, names: &BTreeMap<String, String>) -> Value {
    match found {
        Value::String(found) => Value::String(text(found, names)),
        Value::Array(values) => {
            // A new page is given the focus late, and its accessibility tree has that as a property.
            let values = values.iter().filter(|found| found["name"] != "focused");
            let mut values: Vec<Value> = values.map(|found| value(found, names)).collect();
            // Cookies of one moment come in any order.
            if values
                .iter()
                .all(|value| value.get("sameParty").is_some() || value.get("sourceScheme").is_some())
            {
                values.sort_by_key(Value::to_string);
            }
            Value::Array(values)
        }
        Value::Object(members) => {
            let one = |(key, member): (&String, &Value)| {
                let own = OWN.contains(&key.as_str());
                (key.clone(), if own { Value::from("own") } else { value(member, names) })
            };
            Value::Object(members.iter().map(one).collect())
        }
        other => other.clone(),
    }
}

fn text(found: &str, names: &BTreeMap<String, String>) -> String {
    let mut text = found.to_owned();
    for (name, own) in names.iter().filter(|(_, own)| own.len() >= ID_DIGITS) {
        text = text.replace(own, &format!("{{{{{name}}}}}"));
    }
    without_ids(&text)
}

/// Replaces runs of digits and capitals that are as long as an id.
fn without_ids(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for next in text.chars().map(Some).chain([None]) {
        match next {
            Some(next) if matches!(next, '0'..='9' | 'A'..='F') => run.push(next),
            _ => {
                out.push_str(if run.len() == ID_DIGITS { "id" } else { &run });
                run.clear();
                out.extend(next);
            }
        }
    }
    out
}

/// Reduces an answer to what it is made of: an error whole, a result to its members and their types.
pub fn shape(answer: &Value) -> Value {
    let Some(members) = answer.as_object() else { return answer.clone() };
    let shaped = |(key, member): (&String, &Value)| {
        (key.clone(), if key == "result" { kinds(member) } else { member.clone() })
    };
    Value::Object(members.iter().map(shaped).collect())
}

fn kinds(value: &Value) -> Value {
    match value {
        Value::Object(members) => members.iter().map(|(key, member)| (key.clone(), kinds(member))).collect(),
        Value::Array(_) => "a list".into(),
        Value::String(_) => "a string".into(),
        Value::Number(_) => "a number".into(),
        Value::Bool(_) => "yes or no".into(),
        Value::Null => Value::Null,
    }
}
