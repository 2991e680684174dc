//! One Chromium: find the binary, launch it confined, supervise it, end it without loss.
//!
//! What is here ends at one browser and its pipe. Sessions, profiles and HTTP are above; the protocol spoken over the pipe
//! is `roadstead_devtools`'.

mod attend;
mod browser;
mod caches;
mod confine;
mod dialogs;
mod environment;
mod executable;
mod extensions;
mod flags;
mod group;
mod launch;
mod leftover;
mod options;
mod ownership;
mod process;
mod stderr;
mod user_data_dir;
mod version;
mod worthless;

pub use attend::{Attendant, Call, Page};
pub use browser::{Browser, BrowserVersion, Ending, Exit};
pub use caches::{CACHES, Cache};
pub use confine::{
    CONFINE, Cgroups, Confinement, Landlock, LandlockSupport, Limits, landlock_support, run as run_launcher,
};
pub use dialogs::DismissDialogs;
pub use executable::Executables;
pub use launch::LaunchError;
pub use leftover::{Leftover, end_leftover, find_leftover, process_start_time};
pub use options::{Build, Graces, LaunchOptions, UserId, Viewport};
pub use ownership::give_to;
pub use process::Frozen;
pub use user_data_dir::prepare_user_data_dir;
pub use version::{ask_version, major_version};
pub use worthless::worthless_paths;
