//! The fuzz target: any text as `roadstead.toml`. Nothing panics, and nobody is told a password, or a piece of one.

use super::Config;

/// What passwords are in the corpus.
const PASSWORD: &str = "XyZzYsEcReT";
/// How much of it is a piece of it.
const PIECE: usize = 6;

/// Runs one input.
pub fn config(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    // A file that is named is read, and a fuzzer names the endless ones.
    if toml::from_str::<toml::Value>(text).is_ok_and(|value| has_key(&value, "password_file")) {
        return;
    }
    let told = match Config::parse(text) {
        Ok(config) => format!("{config:?}"),
        Err(error) => format!("{error:#} {error:?}"),
    };
    if is_told(&told) {
        assert!(places(text).any(|place| !is_secret(text, place)), "a password was told: {told}");
    }
}

fn has_key(value: &toml::Value, key: &str) -> bool {
    match value {
        toml::Value::Table(table) => {
            table.contains_key(key) || table.values().any(|value| has_key(value, key))
        }
        toml::Value::Array(values) => values.iter().any(|value| has_key(value, key)),
        _ => false,
    }
}

fn is_told(told: &str) -> bool {
    places(told).next().is_some()
}

/// Finds every piece of the password.
fn places(text: &str) -> impl Iterator<Item = usize> {
    let pieces = PASSWORD.as_bytes().windows(PIECE);
    let found = text.as_bytes().windows(PIECE).enumerate();
    found.filter(move |(_, window)| pieces.clone().any(|piece| piece == *window)).map(|(place, _)| place)
}

/// Tells whether what is at a place is the value of a key that holds a secret. What is anywhere else is none: a server may name
/// a key that it does not know.
fn is_secret(text: &str, place: usize) -> bool {
    let before = text.get(..place).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    if let Some((key, value)) = before[start..].rsplit_once('=') {
        return ends_with_secret_key(key) && !value.contains(',');
    }
    // A string of several lines, or one whose end is torn off.
    let above = before[..start].trim_end().lines().next_back().unwrap_or_default();
    let is_open = |value: &str| value.matches(['"', '\'']).count() % 2 == 1;
    above.rsplit_once('=').is_some_and(|(key, value)| ends_with_secret_key(key) && is_open(value))
}

fn ends_with_secret_key(text: &str) -> bool {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let key = text.trim_end().trim_end_matches(['"', '\'']).rsplit(|c| !bare(c)).next().unwrap_or_default();
    super::SECRET.contains(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target that reaches nothing finds nothing.
    #[test]
    fn the_target_knows_a_secret_from_what_is_open() {
        for (text, secret) in [
            ("password = \"XyZzYsEcReT\"", true),
            ("exits = [{ url = \"http://a:XyZzYsEcReT@x\" }]", true),
            ("password = \"\"\"\nXyZzYsEcReT", true),
            ("name = \"XyZzYsEcReT\"", false),
            ("public_url = \"XyZzYsEcReT\"", false),
            ("XyZzYsEcReT = 1", false),
        ] {
            assert_eq!(places(text).all(|place| is_secret(text, place)), secret, "{text}");
        }
    }

    #[test]
    fn the_corpus_and_what_is_near_it() {
        let words = [
            "[egress]\n",
            "[[egress.exits]]\n",
            "password = ",
            "url = ",
            "\"XyZzYsEcReT\"",
            "kind = \"proxy\"\n",
            "\n",
            "\"\"\"",
            "'",
            "{",
            "[",
            "=",
            "1e9",
            "username = \"a\"\n",
            "exits = [{",
        ];
        roadstead_replay::replay("config", 20_000, &words, config);
    }
}
