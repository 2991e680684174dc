//! The fuzz targets of this crate: bodies of requests, the configuration file, the portable state.

pub use crate::config::fuzzing::config;
pub use crate::http::fuzzing::request_bodies;
pub use crate::profile::portable::fuzzing::portable_state;
