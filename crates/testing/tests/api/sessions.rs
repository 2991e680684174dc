//! `/v1/sessions`.

mod create;
mod drive;
mod end;
mod list;
mod show;
mod tags;
mod tokens;
