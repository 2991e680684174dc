//! Reads `browser.sensitive_data_mask`: what is masked in a session's pages.
//!
//! Whether a selector or a pattern is one is the browser's to say, when the session starts.

use std::collections::BTreeMap;

use roadstead_api::session_create::{MaskPattern, SensitiveDataMaskConfig};
use url::Host;

use crate::error::{Error, Result};
use crate::session::mask::{Mask, Pattern};

/// How this field is called in errors.
pub const FIELD: &str = "browser.sensitive_data_mask";
/// What is shown instead of what a pattern finds, when nobody says.
const DEFAULT_MASK: &str = "****";
/// How many selectors there may be for every site, or for one.
const MAX_SELECTORS: usize = 100;
/// How many sites may have selectors of their own.
const MAX_SITES: usize = 100;
/// How many patterns there may be: each is looked for in every text of every page.
const MAX_PATTERNS: usize = 50;
/// The longest selector and the longest pattern, in bytes.
const MAX_LENGTH: usize = 1_000;
/// The longest mask, in bytes.
const MAX_MASK_LENGTH: usize = 100;

/// Returns what is to be masked; none where it is off, whatever else it says.
pub fn read(config: Option<&SensitiveDataMaskConfig>) -> Result<Option<Mask>> {
    let Some(config) = config.filter(|config| config.active == Some(true)) else { return Ok(None) };
    Ok(Some(Mask {
        selectors: selectors(&format!("{FIELD}.custom_selectors"), config.custom_selectors.as_deref())?,
        sites: sites(config.site_selectors.as_ref())?,
        patterns: patterns(config.custom_patterns.as_deref())?,
    }))
}

fn selectors(field: &str, selectors: Option<&[String]>) -> Result<Vec<String>> {
    let selectors = selectors.unwrap_or_default();
    require_few(field, selectors.len(), MAX_SELECTORS)?;
    for (at, selector) in selectors.iter().enumerate() {
        require_text(&format!("{field}[{at}]"), selector)?;
    }
    Ok(selectors.to_vec())
}

fn sites(sites: Option<&BTreeMap<String, Vec<String>>>) -> Result<Vec<(String, Vec<String>)>> {
    let field = format!("{FIELD}.site_selectors");
    require_few(&field, sites.map_or(0, BTreeMap::len), MAX_SITES)?;
    let read = |(site, list): (&String, &Vec<String>)| {
        let Some(host) = host_pattern(site) else {
            let why = "has a site that is neither a host (bank.example) nor a domain with all below it (*.bank.example), without scheme and port";
            return Err(Error::invalid(&field, why));
        };
        let list = selectors(&format!("{field}.{host}"), Some(list))?;
        Ok((host, list))
    };
    sites.into_iter().flatten().map(read).collect()
}

/// Reads a host, or `*.` and a domain, and returns it as a browser writes it.
fn host_pattern(site: &str) -> Option<String> {
    let (wildcard, host) = site.strip_prefix("*.").map_or(("", site), |domain| ("*.", domain));
    let host = Host::parse(host.strip_suffix('.').unwrap_or(host)).ok()?;
    let is_domain = matches!(host, Host::Domain(_));
    let host = host.to_string();
    let is_plain = !host.contains('*') && host.split('.').all(|label| !label.is_empty());
    (is_plain && (is_domain || wildcard.is_empty())).then(|| format!("{wildcard}{host}"))
}

fn patterns(patterns: Option<&[MaskPattern]>) -> Result<Vec<Pattern>> {
    let field = format!("{FIELD}.custom_patterns");
    let patterns = patterns.unwrap_or_default();
    require_few(&field, patterns.len(), MAX_PATTERNS)?;
    let read = |(at, MaskPattern { regex, mask }): (usize, &MaskPattern)| {
        let regex = regex.clone().unwrap_or_default();
        require_text(&format!("{field}[{at}].regex"), &regex)?;
        let mask = mask.as_deref().unwrap_or(DEFAULT_MASK).to_owned();
        if mask.len() > MAX_MASK_LENGTH {
            let why = format!("must have {MAX_MASK_LENGTH} bytes at most");
            return Err(Error::invalid(&format!("{field}[{at}].mask"), why));
        }
        Ok(Pattern { regex, mask })
    };
    patterns.iter().enumerate().map(read).collect()
}

fn require_few(field: &str, count: usize, most: usize) -> Result<()> {
    if count <= most { Ok(()) } else { Err(Error::invalid(field, format!("must be {most} at most"))) }
}

fn require_text(field: &str, text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid(field, "must not be empty"));
    }
    if text.len() > MAX_LENGTH {
        return Err(Error::invalid(field, format!("must have {MAX_LENGTH} bytes at most")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn mask(config: Value) -> Result<Option<Mask>> {
        read(Some(&serde_json::from_value(config).unwrap()))
    }

    #[test]
    fn what_is_off_does_nothing_whatever_it_says() {
        for config in
            [json!({}), json!({"active": false, "custom_selectors": [""], "site_selectors": {"/": []}})]
        {
            assert_eq!(mask(config).unwrap(), None);
        }
        assert_eq!(read(None).unwrap(), None);
    }

    #[test]
    fn what_is_on_is_read() {
        assert_eq!(mask(json!({"active": true})).unwrap(), Some(Mask::default()));
        let config = json!({
            "active": true, "custom_selectors": ["#a"], "site_selectors": {"*.Bücher.example": [".b"], "::1": [], "[::1]": ["i"]},
            "custom_patterns": [{"regex": "c+"}, {"regex": "d", "mask": ""}],
        });
        assert!(
            mask(config.clone())
                .unwrap_err()
                .to_string()
                .starts_with("browser.sensitive_data_mask.site_selectors: ")
        );
        let mut config = config;
        config["site_selectors"].as_object_mut().unwrap().remove("::1");
        let pattern = |regex: &str, mask: &str| Pattern { regex: regex.to_owned(), mask: mask.to_owned() };
        assert_eq!(
            mask(config).unwrap().unwrap(),
            Mask {
                selectors: vec!["#a".to_owned()],
                sites: vec![
                    ("*.xn--bcher-kva.example".to_owned(), vec![".b".to_owned()]),
                    ("[::1]".to_owned(), vec!["i".to_owned()])
                ],
                patterns: vec![pattern("c+", "****"), pattern("d", "")],
            }
        );
    }

    #[test]
    fn only_hosts_and_domains_are_sites() {
        for (site, read) in [
            ("bank.example", Some("bank.example")),
            ("BANK.example.", Some("bank.example")),
            ("*.bank.example", Some("*.bank.example")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("localhost", Some("localhost")),
            ("*", None),
            ("*.", None),
            ("", None),
            ("*.*.example", None),
            ("bank.*", None),
            ("*bank.example", None),
            ("*.127.0.0.1", None),
            ("https://bank.example", None),
            ("bank.example:443", None),
            ("bank.example/path", None),
            ("a b", None),
            ("a..b", None),
        ] {
            assert_eq!(host_pattern(site).as_deref(), read, "{site}");
        }
    }

    #[test]
    fn nonsense_names_the_field() {
        let many = |count: usize| (0..count).map(|n| format!("a{n}")).collect::<Vec<_>>();
        let long = "a".repeat(MAX_LENGTH + 1);
        for (config, place) in [
            (json!({"custom_selectors": many(101)}), "custom_selectors: must be 100 at most"),
            (json!({"custom_selectors": ["a", " "]}), "custom_selectors[1]: must not be empty"),
            (json!({"custom_selectors": [long]}), "custom_selectors[0]: must have 1000 bytes at most"),
            (json!({"site_selectors": {"a b": []}}), "site_selectors: has a site that is neither"),
            (json!({"site_selectors": {"a.b": [""]}}), "site_selectors.a.b[0]: must not be empty"),
            (json!({"site_selectors": {"a.b": many(101)}}), "site_selectors.a.b: must be 100 at most"),
            (
                json!({"site_selectors": many(101).into_iter().map(|site| (site, vec!["a"])).collect::<BTreeMap<_, _>>()}),
                "site_selectors: must be 100 at most",
            ),
            (json!({"custom_patterns": [{"regex": ""}]}), "custom_patterns[0].regex: must not be empty"),
            (json!({"custom_patterns": [{}]}), "custom_patterns[0].regex: must not be empty"),
            (json!({"custom_patterns": [{"regex": long}]}), "custom_patterns[0].regex: must have 1000"),
            (
                json!({"custom_patterns": [{"regex": "a", "mask": "a".repeat(101)}]}),
                "custom_patterns[0].mask: must have 100",
            ),
            (
                json!({"custom_patterns": many(51).iter().map(|regex| json!({"regex": regex})).collect::<Vec<_>>()}),
                "custom_patterns: must be 50 at most",
            ),
        ] {
            let mut config = config;
            config["active"] = json!(true);
            let why = mask(config.clone()).unwrap_err().to_string();
            assert!(why.starts_with(&format!("{FIELD}.{place}")), "{config}: {why}");
        }
    }
}
