//! What the program is built of is what `deny.toml` allows: licences, sources, crates. The same lists as cargo-deny reads, checked
//! without it, since building that takes longer than building Roadstead.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

#[derive(Debug, Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Debug, Deserialize)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    license: Option<String>,
    source: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    req: String,
    path: Option<String>,
}

impl Deny {
    /// Says what is wrong with a package, if anything is.
    fn objection(&self, package: &Package) -> Option<&'static str> {
        let Package { name, license, source, dependencies } = package;
        let any = dependencies.iter().any(|dependency| dependency.req == "*" && dependency.path.is_none());
        let Some(source) = source else {
            return any.then_some("it takes any version of something");
        };
        let registry = source.strip_prefix("registry+").unwrap_or_default();
        if !self.sources.allow_registry.iter().any(|allowed| allowed == registry) {
            return Some("it comes from somewhere else");
        }
        if self.bans.deny.iter().any(|banned| banned.name == *name) {
            return Some("it is banned");
        }
        let excepted = self.licenses.exceptions.iter().filter(|exception| exception.name == *name);
        let allowed: Vec<&String> =
            self.licenses.allow.iter().chain(excepted.flat_map(|exception| &exception.allow)).collect();
        let allowed = |license: &str| allowed.iter().any(|allowed| **allowed == license);
        let satisfied = license.as_deref().is_some_and(|text| is_satisfied(text, &allowed));
        (!satisfied).then_some("its licence is not allowed")
    }
}

/// Tells whether a licence expression can be fulfilled with what is allowed: one of what `OR` joins, all of what `AND` joins.
fn is_satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let (satisfied, rest) = any_of(&words, allowed);
    satisfied && rest.is_empty()
}

fn any_of<'a>(words: &'a [&'a str], allowed: &dyn Fn(&str) -> bool) -> (bool, &'a [&'a str]) {
    let (mut satisfied, mut rest) = all_of(words, allowed);
    while let Some(("OR", after)) = rest.split_first().map(|(word, after)| (*word, after)) {
        let (other, after) = all_of(after, allowed);
        satisfied |= other;
        rest = after;
    }
    (satisfied, rest)
}

fn all_of<'a>(words: &'a [&'a str], allowed: &dyn Fn(&str) -> bool) -> (bool, &'a [&'a str]) {
    let (mut satisfied, mut rest) = one(words, allowed);
    while let Some(("AND", after)) = rest.split_first().map(|(word, after)| (*word, after)) {
        let (other, after) = one(after, allowed);
        satisfied &= other;
        rest = after;
    }
    (satisfied, rest)
}

/// One licence, with the exception that it may have, or what is in parentheses.
fn one<'a>(words: &'a [&'a str], allowed: &dyn Fn(&str) -> bool) -> (bool, &'a [&'a str]) {
    match words {
        ["(", rest @ ..] => {
            let (satisfied, rest) = any_of(rest, allowed);
            match rest {
                [")", rest @ ..] => (satisfied, rest),
                _ => (false, rest),
            }
        }
        [license, "WITH", exception, rest @ ..] => (allowed(&format!("{license} WITH {exception}")), rest),
        [license, rest @ ..] => (allowed(license), rest),
        // Something is joined with nothing: what is left over refuses the whole.
        [] => (false, &["nothing"]),
    }
}

#[test]
fn what_it_is_built_of_is_allowed() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let deny: Deny = toml::from_str(&std::fs::read_to_string(root.join("deny.toml"))?)?;
    let cargo = std::env::var_os("CARGO").context("cargo runs the tests")?;
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform];
    let output = Command::new(cargo).args(arguments).current_dir(&root).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages: Vec<Package> = serde_json::from_value(metadata["packages"].take())?;
    ensure!(packages.len() > 200, "only {} packages", packages.len());
    let objections: Vec<_> = packages
        .iter()
        .filter_map(|package| Some((&package.name, &package.license, deny.objection(package)?)))
        .collect();
    ensure!(objections.is_empty(), "see deny.toml: {objections:#?}");
    let idle = |name: &String| !packages.iter().any(|package| package.name == *name);
    let idle: Vec<_> = deny.licenses.exceptions.iter().filter(|exception| idle(&exception.name)).collect();
    ensure!(idle.is_empty(), "exceptions for nobody: {idle:?}");
    Ok(())
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    let allowed = |license: &str| matches!(license, "MIT" | "ISC" | "Apache-2.0");
    for (expression, satisfied) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("MIT/GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("MIT AND ISC OR GPL-3.0", true),
        ("GPL-3.0 AND (MIT OR ISC)", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("Apache-2.0 WITH LLVM-exception", false),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ("MIT OR", false),
        ("", false),
    ] {
        assert_eq!(is_satisfied(expression, &allowed), satisfied, "{expression}");
    }
}

#[test]
fn what_is_not_allowed_is_seen() -> Result<()> {
    let deny: Deny = toml::from_str(
        "licenses = { allow = ['MIT'], exceptions = [{ crate = 'x', allow = ['GPL-3.0'] }] }\n\
         bans = { deny = [{ crate = 'openssl' }] }\nsources = { allow-registry = ['https://good'] }",
    )?;
    let package = |name: &str, license: &str, source: Option<&str>, req: &str| Package {
        name: name.to_owned(),
        license: Some(license.to_owned()),
        source: source.map(str::to_owned),
        dependencies: vec![Dependency { req: req.to_owned(), path: None }],
    };
    for (package, objects) in [
        (package("a", "MIT", Some("registry+https://good"), "*"), false),
        (package("a", "MIT", Some("registry+https://other"), "1"), true),
        (package("a", "MIT", Some("git+https://good"), "1"), true),
        (package("a", "GPL-3.0", Some("registry+https://good"), "1"), true),
        (package("x", "GPL-3.0", Some("registry+https://good"), "1"), false),
        (package("openssl", "MIT", Some("registry+https://good"), "1"), true),
        (package("ours", "MIT", None, "1"), false),
        (package("ours", "MIT", None, "*"), true),
    ] {
        assert_eq!(deny.objection(&package).is_some(), objects, "{package:?}");
    }
    Ok(())
}
