//! An extension's ZIP file: looked through when it comes, unpacked for each session that has it.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use roadstead_api::ExtensionId;
use roadstead_browser::UserId;

use super::manifest::{Manifest, refused};
use crate::error::{Error, Result};
use crate::session::files::FileName;
use crate::session::files::archive::{inflate, unpack};

/// How many files an extension may have.
const MAX_FILES: usize = 5_000;
/// How large all of them may be together, in bytes.
const MAX_UNPACKED_BYTES: u64 = 256 << 20;
/// How large the manifest may be, in bytes.
const MAX_MANIFEST_BYTES: usize = 1 << 20;
const MANIFEST: &str = "manifest.json";
/// What macOS puts beside everything that it packs.
const NOT_MEANT: &str = "__MACOSX";
/// What the Web Store puts into what it gives out. Chromium loads no directory that has it.
const OF_THE_STORE: &str = "_metadata";
/// The one name with an underscore that Chromium takes at an extension's root.
const LOCALES: &str = "_locales";

/// What an archive holds.
pub struct Package {
    pub manifest: Manifest,
    /// The directory that everything is in, if it is not the archive's root.
    root: Option<FileName>,
}

impl Package {
    /// Looks an archive through: everything is unpacked, nothing is written. Blocks.
    ///
    /// Errors: what [`unpack`] says, and what no extension may be.
    pub fn inspect(archive: &Path, id: ExtensionId) -> Result<Self> {
        let (mut total, mut manifests) = (0, Vec::new());
        let names = unpack(archive, MAX_FILES, |name, entry| {
            let is_manifest = name.len() <= 2 && name.last().is_some_and(|last| last.as_str() == MANIFEST);
            let mut text = Vec::new();
            inflate(entry, |piece| {
                grow(&mut total, piece)?;
                if is_manifest {
                    text.extend_from_slice(piece);
                    if text.len() > MAX_MANIFEST_BYTES {
                        return Err(refused("its manifest.json is too large, 1 MiB is taken at most"));
                    }
                }
                Ok(())
            })?;
            if is_manifest {
                manifests.push((name.clone(), text));
            }
            Ok(name)
        })?;
        let root = root_of(&names)?;
        let wanted = |name: &[FileName]| match &root {
            None => name.len() == 1,
            Some(root) => name.len() == 2 && name[0] == *root,
        };
        let (_, text) = manifests.iter().find(|(name, _)| wanted(name)).ok_or_else(|| {
            refused("it has no manifest.json, neither at its root nor in its one directory")
        })?;
        let this = Self { manifest: Manifest::read(text, id)?, root };
        this.require_no_reserved_names(&names)?;
        Ok(this)
    }

    /// Unpacks an archive, which was looked through, into an empty directory that is ours and that the browser's user may read. Blocks.
    pub fn install(&self, archive: &Path, dir: &Path, user: Option<UserId>) -> Result<()> {
        make_dir(dir, user).map_err(not_installed)?;
        let keyed = serde_json::to_vec(&self.manifest.keyed).expect("a JSON object is representable as JSON");
        let mut total = 0;
        unpack(archive, MAX_FILES, |name, entry| match self.inner(&name) {
            Some([only]) if only.as_str() == MANIFEST => {
                write(dir, std::slice::from_ref(only), &mut &keyed[..], user, &mut total)
            }
            Some(inner) => write(dir, inner, entry, user, &mut total),
            None => Ok(()),
        })?;
        Ok(())
    }

    /// Returns a file's path within the extension; `None` for one that is no part of it.
    fn inner<'a>(&self, name: &'a [FileName]) -> Option<&'a [FileName]> {
        let inner = match &self.root {
            None => name,
            Some(root) if name[0] == *root => &name[1..],
            Some(_) => return None,
        };
        (!matches!(inner[0].as_str(), NOT_MEANT | OF_THE_STORE)).then_some(inner)
    }

    fn require_no_reserved_names(&self, names: &[Vec<FileName>]) -> Result<()> {
        let mut roots = names.iter().filter_map(|name| self.inner(name)).map(|inner| inner[0].as_str());
        match roots.find(|name| name.starts_with('_') && *name != LOCALES) {
            None => Ok(()),
            Some(name) => {
                Err(refused(format!("Chromium keeps names that begin with _ for itself; rename {name:?}")))
            }
        }
    }
}

/// Finds the directory that an extension is in: none if its manifest is at the archive's root, else the only one.
fn root_of(names: &[Vec<FileName>]) -> Result<Option<FileName>> {
    if names.iter().any(|name| name.len() == 1 && name[0].as_str() == MANIFEST) {
        return Ok(None);
    }
    let mut tops: Vec<_> =
        names.iter().map(|name| &name[0]).filter(|top| top.as_str() != NOT_MEANT).collect();
    tops.sort_unstable();
    tops.dedup();
    match tops[..] {
        [only] => Ok(Some(only.clone())),
        _ => Err(refused("it has no manifest.json, neither at its root nor in its one directory")),
    }
}

fn grow(total: &mut u64, piece: &[u8]) -> Result<()> {
    *total += piece.len() as u64;
    if *total > MAX_UNPACKED_BYTES {
        return Err(Error::TooLarge(format!(
            "The extension is too large: unpacked it may have {} MiB, at most.",
            MAX_UNPACKED_BYTES >> 20
        )));
    }
    Ok(())
}

pub(super) fn write(
    dir: &Path,
    name: &[FileName],
    contents: &mut dyn Read,
    user: Option<UserId>,
    total: &mut u64,
) -> Result<()> {
    let mut path = dir.to_owned();
    for (depth, part) in name.iter().enumerate() {
        path.push(part.as_str());
        if depth + 1 < name.len() {
            make_dir(&path, user).map_err(not_installed)?;
        }
    }
    let mut file = File::create_new(&path).map_err(not_installed)?;
    inflate(contents, |piece| {
        grow(total, piece)?;
        file.write_all(piece).map_err(not_installed)
    })?;
    show(&path, user, 0o640, 0o600).map_err(not_installed)
}

pub(super) fn make_dir(path: &Path, user: Option<UserId>) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| show(path, user, 0o750, 0o700)),
    }
}

/// Lets the browser's user read something of ours.
fn show(path: &Path, user: Option<UserId>, shown: u32, own: u32) -> io::Result<()> {
    if let Some(UserId { gid, .. }) = user {
        std::os::unix::fs::chown(path, None, Some(gid))?;
    }
    std::fs::set_permissions(path, Permissions::from_mode(if user.is_some() { shown } else { own }))
}

pub(super) fn not_installed(error: io::Error) -> Error {
    Error::internal("The session's extensions could not be unpacked.", error)
}
