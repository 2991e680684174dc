//! Which symbolic links a snapshot may hold.

use std::path::{Component, Path};

/// Returns whether a link in a directory `depth` levels below the root leads to somewhere below the root.
///
/// Allowed are some `..`, no more than lead to the root, and then names. A `..` after a name is refused even where it looks
/// harmless: the name may itself be a link, and then `..` means another directory than the text suggests.
pub(crate) fn stays_inside(depth: usize, target: &Path) -> bool {
    let mut ups = 0;
    let mut named = false;
    for component in target.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(_) => named = true,
            Component::ParentDir if !named => ups += 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    ups <= depth && (named || ups > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_may_point_within() {
        for (depth, target) in [(0, "a"), (0, "a/b"), (1, "../a"), (2, "../../a/b"), (0, "./a"), (1, "..")] {
            assert!(stays_inside(depth, Path::new(target)), "{depth} {target}");
        }
    }

    #[test]
    fn links_may_not_lead_out() {
        let out =
            [(0, "/etc/passwd"), (0, ".."), (0, "../a"), (1, "../../a"), (3, "a/../../b"), (9, "/"), (0, "")];
        for (depth, target) in out {
            assert!(!stays_inside(depth, Path::new(target)), "{depth} {target}");
        }
    }
}
