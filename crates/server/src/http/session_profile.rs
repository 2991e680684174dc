//! `browser.profile` of a session's body becomes a use of a profile: what each field means, and what contradicts what.

use std::time::Duration;

use roadstead_api::session_create::ProfileConfig;

use crate::error::{Error, Result};
use crate::profile::SaveOptions;
use crate::session::request::{ProfileUse, StartFrom};

/// The longest that a create waits for another writer, or for a revision.
const MAX_WAIT: Duration = Duration::from_mins(10);

/// Reads how a session uses a profile; `None` when it uses none.
pub fn read(config: Option<&ProfileConfig>) -> Result<Option<ProfileUse>> {
    const FIELD: &str = "browser.profile.name";
    let Some(config) = config else {
        return Ok(None);
    };
    let Some(name) = &config.name else {
        return match asks_for_one(config) {
            Some(field) => Err(Error::invalid(FIELD, format!("is required, since {field} is set"))),
            None => Ok(None),
        };
    };
    let name = name.parse().map_err(|why| Error::invalid(FIELD, why))?;
    let usual = ProfileUse::new(name, config.persist.unwrap_or(false));
    let wait = config.wait_seconds.map(wait).transpose()?;
    Ok(Some(ProfileUse {
        start: start_from(config)?,
        exclusive: exclusive(config)?,
        wait_for_writer: wait.unwrap_or(usual.wait_for_writer),
        wait_for_revision: wait.unwrap_or(usual.wait_for_revision),
        save: save_options(config)?,
        restore_tabs: config.restore_tabs.unwrap_or(false),
        allow_downgrade: config.allow_downgrade.unwrap_or(false),
        ..usual
    }))
}

/// Names a field that means nothing without a profile, if one is set.
fn asks_for_one(config: &ProfileConfig) -> Option<&'static str> {
    let asked = [
        (config.persist == Some(true), "persist"),
        (config.revision.is_some(), "revision"),
        (config.min_revision.is_some(), "min_revision"),
        (config.writer.as_deref() == Some("exclusive"), "writer"),
        (config.require_cookies.as_ref().is_some_and(|cookies| !cookies.is_empty()), "require_cookies"),
        (config.restore_tabs == Some(true), "restore_tabs"),
    ];
    asked.into_iter().find(|(asked, _)| *asked).map(|(_, field)| field)
}

fn start_from(config: &ProfileConfig) -> Result<StartFrom> {
    match (config.revision, config.min_revision) {
        (None, None) => Ok(StartFrom::Head),
        (Some(0), _) => Err(Error::invalid("browser.profile.revision", "must be at least 1")),
        (_, Some(0)) => Err(Error::invalid("browser.profile.min_revision", "must be at least 1")),
        (Some(number), None) => Ok(StartFrom::Revision(number)),
        (None, Some(number)) => Ok(StartFrom::AtLeast(number)),
        (Some(_), Some(_)) => Err(Error::invalid(
            "browser.profile.min_revision",
            "contradicts browser.profile.revision; give one of them",
        )),
    }
}

fn exclusive(config: &ProfileConfig) -> Result<bool> {
    const FIELD: &str = "browser.profile.writer";
    match config.writer.as_deref() {
        None | Some("shared") => Ok(false),
        Some("exclusive") if config.persist == Some(true) => Ok(true),
        Some("exclusive") => Err(Error::invalid(FIELD, "can only be \"exclusive\" when persist is true")),
        Some(_) => Err(Error::invalid(FIELD, "must be \"shared\" or \"exclusive\"")),
    }
}

fn wait(seconds: f64) -> Result<Duration> {
    let found = Duration::try_from_secs_f64(seconds).ok().filter(|wait| *wait <= MAX_WAIT);
    found.ok_or_else(|| {
        let why = format!("must be a number of seconds from 0 to {}", MAX_WAIT.as_secs());
        Error::invalid("browser.profile.wait_seconds", why)
    })
}

fn save_options(config: &ProfileConfig) -> Result<SaveOptions> {
    const CACHE: &str = "browser.profile.cache";
    let persist = config.persist == Some(true);
    let needs_persist = |field: &str| Err(Error::invalid(field, "means something only when persist is true"));
    let wanted = config.require_cookies.as_deref().unwrap_or_default();
    let mut require_cookies = Vec::with_capacity(wanted.len());
    for (place, cookie) in wanted.iter().enumerate() {
        let field = format!("browser.profile.require_cookies[{place}]");
        if !persist {
            return needs_persist(&field);
        }
        require_cookies.push(cookie.parse().map_err(|why| Error::invalid(&field, why))?);
    }
    let drop_caches = match config.cache.as_deref() {
        None | Some("keep") => false,
        Some("drop") if persist => true,
        Some("drop") => return needs_persist(CACHE),
        Some(_) => return Err(Error::invalid(CACHE, "must be \"keep\" or \"drop\"")),
    };
    Ok(SaveOptions { require_cookies, drop_caches })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read_json(config: &Value) -> Result<Option<ProfileUse>> {
        read(Some(&serde_json::from_value(config.clone()).unwrap()))
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let asked = json!({
            "name": "p", "persist": true, "min_revision": 7, "wait_seconds": 2.5, "writer": "exclusive",
            "require_cookies": ["sid@app.example"], "restore_tabs": true, "cache": "drop", "allow_downgrade": true,
        });
        let read = read_json(&asked).unwrap().unwrap();
        let wait = Duration::from_millis(2_500);
        assert_eq!((read.start, read.exclusive), (StartFrom::AtLeast(7), true));
        assert_eq!((read.wait_for_writer, read.wait_for_revision), (wait, wait));
        assert_eq!((read.save.drop_caches, read.save.require_cookies.len()), (true, 1));
        assert!(read.restore_tabs && read.allow_downgrade);
    }

    #[test]
    fn the_usual_is_shared_and_waits_for_no_writer() {
        let usual = ProfileUse::new("p".parse().unwrap(), false);
        for config in [
            json!({"name": "p"}),
            json!({"name": "p", "writer": "shared", "cache": "keep", "require_cookies": [], "revision": null}),
        ] {
            assert_eq!(read_json(&config).unwrap().unwrap(), usual, "{config}");
        }
        assert_eq!(read_json(&json!({"writer": "shared", "cache": "drop"})).unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (config, why) in [
            (json!({"revision": 3}), "browser.profile.name: is required, since revision is set"),
            (json!({"name": "p", "revision": 0}), "browser.profile.revision: must be at least 1"),
            (
                json!({"name": "p", "revision": 1, "min_revision": 1}),
                "browser.profile.min_revision: contradicts browser.profile.revision; give one of them",
            ),
            (
                json!({"name": "p", "writer": "exclusive"}),
                "browser.profile.writer: can only be \"exclusive\" when persist is true",
            ),
            (
                json!({"name": "p", "writer": "both"}),
                "browser.profile.writer: must be \"shared\" or \"exclusive\"",
            ),
            (
                json!({"name": "p", "wait_seconds": 601}),
                "browser.profile.wait_seconds: must be a number of seconds from 0 to 600",
            ),
            (
                json!({"name": "p", "wait_seconds": -1}),
                "browser.profile.wait_seconds: must be a number of seconds from 0 to 600",
            ),
            (
                json!({"name": "p", "persist": true, "require_cookies": ["a@b", "sid"]}),
                "browser.profile.require_cookies[1]: must be name@host, sid@app.example for example",
            ),
            (
                json!({"name": "p", "require_cookies": ["a@b"]}),
                "browser.profile.require_cookies[0]: means something only when persist is true",
            ),
            (
                json!({"name": "p", "cache": "drop"}),
                "browser.profile.cache: means something only when persist is true",
            ),
            (json!({"name": "p", "cache": "some"}), "browser.profile.cache: must be \"keep\" or \"drop\""),
        ] {
            assert_eq!(read_json(&config).unwrap_err().to_string(), why, "{config}");
        }
    }
}
