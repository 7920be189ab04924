//! Removing a whole store, whatever its layout.
//!
//! Rules: only what says that it is a store, belongs to the caller and serves no running build. Must not know: layouts.

use std::path::Path;

use sinter_graph::FsError;

use crate::error::StoreError;
use crate::layout::check_owner;
use crate::leases::Leases;
use crate::remove::remove_tree;
use crate::small_file::read_small;

/// Deletes the store at `root` and says whether there was one. Files of ids that only a user namespace owns can be deleted
/// there: enter it before.
///
/// # Errors
/// If the directory is no store or another's, if a build is using it, or if something cannot be deleted.
pub fn clear_store(root: &Path) -> Result<bool, StoreError> {
    match std::fs::symlink_metadata(root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        result => result.map_err(|error| FsError::new(root, "read", error))?,
    };
    let version = read_small(&root.join("version"))?;
    let is_number =
        |bytes: &Vec<u8>| std::str::from_utf8(bytes).is_ok_and(|text| text.trim_end().parse::<u64>().is_ok());
    if !version.as_ref().is_some_and(is_number) {
        return Err(StoreError::NotAStore { path: root.to_owned() });
    }
    check_owner(root)?;
    if Leases::new(root.join("leases")).is_any_alive() {
        return Err(StoreError::InUse { path: root.to_owned() });
    }
    remove_tree(root).map_err(|error| FsError::new(root, "remove", error))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn only_unused_stores_are_cleared() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("store");
        assert!(!clear_store(&root).expect("nothing there"));
        let store = Store::open(&root).expect("a store");
        store.put_blob(b"x").expect("a blob");
        assert!(matches!(clear_store(&root), Err(StoreError::InUse { .. })));
        drop(store);
        std::fs::write(root.join("version"), "1\n").expect("an older layout");
        assert!(clear_store(&root).expect("a store of any layout"));
        assert!(!root.exists());
        std::fs::create_dir(&root).expect("a directory");
        std::fs::write(root.join("thesis"), "x").expect("a file");
        assert!(matches!(clear_store(&root), Err(StoreError::NotAStore { .. })));
        assert!(root.join("thesis").exists());
    }
}
