//! `/v1/sessions`.

mod create;
mod downloads;
mod drive;
mod end;
mod files;
mod later;
mod list;
mod recordings;
mod show;
mod tags;
mod tokens;
