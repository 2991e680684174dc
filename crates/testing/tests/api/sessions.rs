//! `/v1/sessions`.

mod create;
mod end;
mod list;
mod show;
mod tags;
mod tokens;
