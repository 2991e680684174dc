//! Revisions' bytes: checkout, commit, verify, delete, over rustic_core and object_store.
