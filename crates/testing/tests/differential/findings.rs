//! What came of the comparisons.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::bare::Build;
use crate::wanted::{ONLY_IN_FULL, REFUSED_HERE, REFUSED_OTHERWISE};

/// How many comparisons there must have been at least. The browser's own list of methods makes most of them.
const AT_LEAST: usize = 4000;
/// How much of an answer is shown when it differs, in characters: as much before the first difference as after it.
const SHOWN: usize = 600;

/// How many answers and events were compared, and what differs.
#[derive(Debug, Default)]
pub struct Findings {
    compared: usize,
    /// How many differ as it is wanted, and the entries that say so.
    wanted: usize,
    needed: BTreeSet<&'static str>,
    differences: Vec<String>,
}

impl Findings {
    /// Compares what two browsers said in one case.
    pub fn compare(&mut self, case: &str, ours: &Value, bare: &Value) {
        self.compared += 1;
        if ours == bare {
            return;
        }
        let table = if is_refusal(bare) { REFUSED_OTHERWISE } else { REFUSED_HERE };
        let wanted = table.iter().find(|(entry, _)| matches(entry, case));
        if let Some((entry, _)) = wanted.filter(|_| is_refusal(ours)) {
            self.wanted += 1;
            self.needed.insert(entry);
            return;
        }
        let (ours, bare) = (ours.to_string(), bare.to_string());
        let same = ours.chars().zip(bare.chars()).take_while(|(ours, bare)| ours == bare).count();
        let shown =
            |text: &str| text.chars().skip(same.saturating_sub(SHOWN / 2)).take(SHOWN).collect::<String>();
        self.differences.push(format!("\n{case}:\n  ours {}\n  bare {}", shown(&ours), shown(&bare)));
    }

    /// Requires that nothing differs but what is wanted to, and that all of that does.
    #[expect(clippy::print_stderr, reason = "how much was compared, which a test that passes does not say")]
    pub fn judge(&self, build: Build) -> Result<()> {
        ensure!(self.differences.is_empty(), "{self}");
        let may_be_idle = |entry| build == Build::HeadlessShell && ONLY_IN_FULL.contains(entry);
        let all = REFUSED_HERE.iter().chain(REFUSED_OTHERWISE).map(|(entry, _)| entry);
        let idle: Vec<_> = all.filter(|entry| !self.needed.contains(*entry) && !may_be_idle(entry)).collect();
        ensure!(idle.is_empty(), "nothing differs here any more: {idle:?}");
        ensure!(self.compared >= AT_LEAST, "only {self}");
        eprintln!("{self}");
        Ok(())
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = &self.differences;
        write!(f, "{} compared, {} differ as wanted, {} differ", self.compared, self.wanted, found.len())?;
        write!(f, "{}", found.concat())
    }
}

/// Tells whether an entry is about a case; one that ends with a star is about all whose names begin so.
fn matches(entry: &str, case: &str) -> bool {
    entry.strip_suffix('*').map_or(entry == case, |start| case.starts_with(start))
}

fn is_refusal(answer: &Value) -> bool {
    answer.get("error").is_some()
}
