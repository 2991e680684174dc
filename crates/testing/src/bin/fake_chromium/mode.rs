//! How the fake is to misbehave.
//!
//! A mode is a list of words separated by commas or white space, taken from the first of: `--fake-mode=…` on the command
//! line (or one of the words as the very first argument), `FAKE_CHROMIUM_MODE` in the environment, a file `fake-mode` beside the name that we were started by (a link to
//! the binary will do). The file is for a server, which passes neither arguments nor environment of a test's choosing.
//!
//! | word | what happens |
//! | --- | --- |
//! | `hang` | never answers, and never reads |
//! | `slow-start=<ms>` | starts to answer that much later |
//! | `crash-at-start[=<code>]` | a line on stderr, then exits (21 if no code is given) |
//! | `exit-at-once`, `silent` | short for `crash-at-start=1` and `hang` |
//! | `crash-after=<ms>` | aborts that much after the start |
//! | `crash-after=<method>` | aborts instead of answering that method |
//! | `noisy-stderr` | 4 MB on stderr before the first answer |
//! | `fork-grandchild` | starts a process of its group that outlives it and holds its stderr |
//! | `ignore-term` | ignores SIGTERM and SIGINT |
//! | `ignore-close` | answers `Browser.close`, and stays |
//! | `close-pipe-live-on` | closes both ends of the pipe at once and goes on living |

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The words that may also be the first argument, with two dashes.
const WORDS: &[&str] = &["exit-at-once", "silent", "ignore-close"];

/// When to crash.
#[derive(Debug, PartialEq, Eq)]
pub enum When {
    Elapsed(Duration),
    Method(String),
}

/// What to do wrong.
#[derive(Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of its own")]
pub struct Mode {
    pub hang: bool,
    pub slow_start: Duration,
    pub crash_at_start: Option<u8>,
    pub crash_after: Option<When>,
    pub noisy_stderr: bool,
    pub fork_grandchild: bool,
    pub ignore_term: bool,
    pub ignore_close: bool,
    pub close_pipe: bool,
}

impl Mode {
    /// Finds what this process is to do wrong.
    pub fn find() -> Self {
        let argument = || env::args().find_map(|arg| arg.strip_prefix("--fake-mode=").map(str::to_owned));
        let first =
            || env::args().nth(1)?.strip_prefix("--").filter(|word| WORDS.contains(word)).map(str::to_owned);
        let variable = || env::var("FAKE_CHROMIUM_MODE").ok();
        let file = || fs::read_to_string(Path::new(&env::args_os().next()?).parent()?.join("fake-mode")).ok();
        Self::parse(&argument().or_else(first).or_else(variable).or_else(file).unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let mut mode = Self::default();
        for word in text.split([',', ' ', '\n']).filter(|word| !word.is_empty()) {
            let (word, value) =
                word.split_once('=').map_or((word, None), |(word, value)| (word, Some(value)));
            mode.set(word, value);
        }
        mode
    }

    fn set(&mut self, word: &str, value: Option<&str>) {
        let time = || value.and_then(|value| value.parse().ok()).map(Duration::from_millis);
        match word {
            "hang" | "silent" => self.hang = true,
            "exit-at-once" => self.crash_at_start = Some(1),
            "slow-start" => self.slow_start = time().expect("slow-start takes milliseconds"),
            "crash-at-start" => {
                let code = value.map_or(21, |code| code.parse().expect("a code"));
                self.crash_at_start = Some(code);
            }
            "crash-after" => {
                let method = || When::Method(value.expect("crash-after takes a value").to_owned());
                self.crash_after = Some(time().map_or_else(method, When::Elapsed));
            }
            "noisy-stderr" => self.noisy_stderr = true,
            "fork-grandchild" => self.fork_grandchild = true,
            "ignore-term" => self.ignore_term = true,
            "ignore-close" => self.ignore_close = true,
            "close-pipe-live-on" => self.close_pipe = true,
            unknown => panic!("unknown fake mode {unknown:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_add_up() {
        let mode = Mode::parse("ignore-term, crash-after=Page.enable\nslow-start=5 crash-at-start");
        let expected = Mode {
            ignore_term: true,
            crash_after: Some(When::Method("Page.enable".to_owned())),
            slow_start: Duration::from_millis(5),
            crash_at_start: Some(21),
            ..Mode::default()
        };
        assert_eq!(mode, expected);
        assert_eq!(Mode::parse("crash-after=9").crash_after, Some(When::Elapsed(Duration::from_millis(9))));
    }
}
