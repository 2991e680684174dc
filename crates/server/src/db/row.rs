//! Reading rows: from SQLite's types to ours. A value that we did not write is a fault of the database, not a panic.

use std::str::FromStr;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};

use super::fault;
use crate::error::Result;

/// Reads a column as SQLite has it.
pub fn get<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(row: &'r SqliteRow, column: &str) -> Result<T> {
    row.try_get(column).map_err(fault)
}

/// Reads a text column through `FromStr`.
pub fn parse<T: FromStr>(row: &SqliteRow, column: &str) -> Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: &str = get(row, column)?;
    text.parse().map_err(|error| undecodable(column, error))
}

/// Reads an optional text column through `FromStr`.
pub fn parse_optional<T: FromStr>(row: &SqliteRow, column: &str) -> Result<Option<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: Option<&str> = get(row, column)?;
    text.map(|text| text.parse().map_err(|error| undecodable(column, error))).transpose()
}

/// Reads a text column through a function that knows its words.
pub fn word<T>(row: &SqliteRow, column: &str, read: impl Fn(&str) -> Option<T>) -> Result<T> {
    let text: &str = get(row, column)?;
    read(text).ok_or_else(|| undecodable(column, format!("unknown word {text:?}")))
}

/// Reads a JSON column.
pub fn json<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<T> {
    let text: &str = get(row, column)?;
    serde_json::from_str(text).map_err(|error| undecodable(column, error))
}

/// Reads an optional JSON column.
pub fn json_optional<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<Option<T>> {
    let text: Option<&str> = get(row, column)?;
    text.map(|text| serde_json::from_str(text).map_err(|error| undecodable(column, error))).transpose()
}

/// Reads a moment.
pub fn time(row: &SqliteRow, column: &str) -> Result<Timestamp> {
    let millis: i64 = get(row, column)?;
    Timestamp::from_millisecond(millis).map_err(|error| undecodable(column, error))
}

/// Reads an optional moment.
pub fn time_optional(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>> {
    let millis: Option<i64> = get(row, column)?;
    millis
        .map(|millis| Timestamp::from_millisecond(millis).map_err(|error| undecodable(column, error)))
        .transpose()
}

/// Reads a count, which we only ever write as a non-negative number.
pub fn count(row: &SqliteRow, column: &str) -> Result<u64> {
    let number: i64 = get(row, column)?;
    u64::try_from(number).map_err(|error| undecodable(column, error))
}

/// Reads an optional count.
pub fn count_optional(row: &SqliteRow, column: &str) -> Result<Option<u64>> {
    let number: Option<i64> = get(row, column)?;
    number.map(|number| u64::try_from(number).map_err(|error| undecodable(column, error))).transpose()
}

fn undecodable(
    column: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> crate::error::Error {
    fault(sqlx::Error::ColumnDecode { index: column.to_owned(), source: source.into() })
}

/// Writes a count. SQLite's integers are signed; nothing that we count comes near the limit.
pub fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Writes one of our own types as JSON.
pub fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("our own types are representable as JSON")
}
