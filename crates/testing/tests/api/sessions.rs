//! `/v1/sessions`.

mod create;
mod drive;
mod end;
mod later;
mod list;
mod show;
mod tags;
mod tokens;
