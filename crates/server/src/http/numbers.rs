//! Numbers of bodies, which the SDKs write as `3` or as `3.0`.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::{Error, Result};

/// Reads a whole number.
pub fn whole(field: &str, value: Option<f64>, usual: u32, range: RangeInclusive<u32>) -> Result<u32> {
    let Some(value) = value else { return Ok(usual) };
    let found = (value.fract() == 0.0).then(|| format!("{value}").parse().ok()).flatten();
    found.filter(|found| range.contains(found)).ok_or_else(|| {
        Error::invalid(field, format!("must be a whole number from {} to {}", range.start(), range.end()))
    })
}

/// Reads a time in milliseconds, with fractions.
pub fn millis(field: &str, value: Option<f64>, usual: Duration, most: Duration) -> Result<Duration> {
    let Some(value) = value else { return Ok(usual) };
    let found = Duration::try_from_secs_f64(value / 1000.0).ok().filter(|found| *found <= most);
    found.ok_or_else(|| {
        Error::invalid(field, format!("must be a number of milliseconds from 0 to {}", most.as_millis()))
    })
}
