//! Every method that the browser says it has, without the parameters that it needs and with wrong ones, in a page and at the
//! browser's root.
//!
//! Of the errors all is compared. Of the results only what they are made of: two browsers are not the same at one moment.

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use crate::normal::shape;
use crate::pair::Pair;
use crate::script::{Script, Step};

/// Calls everything, one domain after the other.
pub async fn play(pair: &mut Pair) -> Result<()> {
    let protocol = pair.protocol().await?;
    let domains = protocol["domains"].as_array().context("the protocol has domains")?;
    for session in [Some("page"), None] {
        for domain in domains {
            pair.flood(steps(domain, session), shape).await?;
        }
    }
    Ok(())
}

fn steps(domain: &Value, session: Option<&'static str>) -> Vec<Step> {
    let mut script = Script::default();
    script.at(0, session);
    for command in domain["commands"].as_array().into_iter().flatten() {
        let name = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let method = format!("{}.{}", name(&domain["domain"]), name(&command["name"]));
        for params in wrong_params(command) {
            script.named(&format!("wrong: {method}"), &method, &params);
        }
    }
    script.into_steps()
}

/// None at all where one is required, and each of them with a type that it has not: nothing is done, so nothing can differ by chance.
fn wrong_params(command: &Value) -> Vec<Value> {
    let known: Vec<&Value> = command["parameters"].as_array().into_iter().flatten().collect();
    let required = known.iter().any(|parameter| parameter["optional"] != true);
    let mut all = Vec::new();
    if required {
        all.push(json!({}));
    }
    all.extend(known.iter().filter_map(|parameter| {
        let name = parameter["name"].as_str()?.to_owned();
        // A type of its own name may be text, a number, a list or an object, but never this.
        let wrong = match (&parameter["$ref"], parameter["type"].as_str()) {
            (Value::String(_), _) => json!(true),
            (_, Some("string")) => json!(5),
            _ => json!("wrong"),
        };
        Some(Value::Object(Map::from_iter([(name, wrong)])))
    }));
    all
}
