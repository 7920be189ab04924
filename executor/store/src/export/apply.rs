//! Doing what a plan says.
//!
//! Order: everything that can fail for want of space or of a layer is prepared in a directory of its own inside the
//! destination, whole and verified; until then the old files are untouched. Then what may be there from now on is
//! remembered, and only then names change. What is replaced or removed is looked at once more just before.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::rc::Rc;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, RenameFlags, fchmod, linkat, mkdirat, renameat, renameat_with, statat, unlinkat};
use rustix::io::Errno;
use sinter_graph::FsError;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind};

use super::compare::{is_staging, not_ours};
use super::place::{Place, Seen, open_directory};
use super::plan::{Carrier, Plan, Wanted};
use super::{ExportError, STAGING};
use crate::materialise::{Maker, Strictness};
use crate::moment::unique_name;
use crate::remove::remove_in;

/// Files that are complete and wait for their names. What is left of them goes when the value is dropped.
pub(super) struct Staging<'a> {
    place: &'a Place,
    name: TreePath,
    handle: Rc<OwnedFd>,
}

impl<'a> Staging<'a> {
    pub(super) fn create(place: &'a Place) -> Result<Self, ExportError> {
        sweep(place)?;
        let name = TreePath::new(format!("{STAGING}{}", unique_name())).expect("a name without slash and NUL");
        let root = place.directory(&TreePath::root())?;
        mkdirat(&*root, name.as_bytes(), Mode::RWXU).map_err(|error| place.error(&name, "create", error))?;
        let handle = open_directory(&*root, name.as_bytes()).map_err(|error| place.error(&name, "open", error))?;
        Ok(Self { place, name, handle: Rc::new(handle) })
    }

    /// Makes everything that is not right but directories and second names. Gives what was left out.
    pub(super) fn fill(
        &self,
        plan: &Plan,
        content: impl Fn(&Carrier) -> io::Result<File>,
    ) -> Result<Vec<TreePath>, ExportError> {
        let handle = self.handle.try_clone().map_err(|error| self.place.error(&self.name, "open", error))?;
        let mut maker = Maker::within(handle, self.place.path(), Strictness::AsPermitted);
        for (index, wanted) in plan.wanted.iter().enumerate() {
            let is_name_only = wanted.entry.kind == Kind::Directory || wanted.link_of.is_some();
            if !wanted.is_right && !is_name_only {
                let open = || content(wanted.carrier.as_ref().expect("a file has a carrier"));
                maker.make_as(index.to_string().as_bytes(), &wanted.entry, open)?;
            }
        }
        Ok(maker.skipped)
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        // Left-overs are recognised by their name and removed by the next export.
        let _ = self.place.directory(&TreePath::root()).map(|root| remove_in(&root, c_name(&self.name)));
    }
}

/// Removes what killed exports prepared: whoever holds the lock of the directory is the only one that exports to it.
fn sweep(place: &Place) -> Result<(), ExportError> {
    let root = place.directory(&TreePath::root())?;
    for name in place.list(&TreePath::root())?.iter().filter(|name| is_staging(name)) {
        remove_in(&root, c_name(name)).map_err(|error| place.error(name, "remove", error))?;
    }
    Ok(())
}

fn c_name(name: &TreePath) -> CString {
    CString::new(name.as_bytes()).expect("a path has no NUL")
}

/// Changes names from what is there to what is wanted.
pub(super) struct Commit<'a> {
    place: &'a Place,
    plan: &'a Plan,
    staging: Staging<'a>,
    skipped: BTreeSet<&'a TreePath>,
    /// Directories that need their metadata again.
    touched: BTreeSet<TreePath>,
}

impl<'a> Commit<'a> {
    pub(super) fn new(place: &'a Place, plan: &'a Plan, staging: Staging<'a>, skipped: &'a [TreePath]) -> Self {
        Self { place, plan, staging, skipped: skipped.iter().collect(), touched: BTreeSet::new() }
    }

    pub(super) fn run(mut self) -> Result<(), ExportError> {
        self.remove_all()?;
        self.put_all(self.plan.wanted.len())?;
        let Self { place, plan, staging, touched, .. } = self;
        drop(staging);
        finish(place, plan, &touched)
    }

    /// Removes what has to go, children first.
    pub(super) fn remove_all(&mut self) -> Result<(), ExportError> {
        self.open(&TreePath::root())?;
        self.plan.removed.iter().rev().try_for_each(|(path, seen)| self.remove(path, seen))
    }

    /// Puts the first `count` paths where they belong, parents first.
    pub(super) fn put_all(&mut self, count: usize) -> Result<(), ExportError> {
        for (index, wanted) in self.plan.wanted.iter().enumerate().take(count).skip(1) {
            if wanted.is_right || self.skipped.contains(&wanted.entry.path) {
                continue;
            }
            match wanted.link_of {
                _ if wanted.entry.kind == Kind::Directory => self.make_directory(wanted)?,
                Some(first) => self.link(index, wanted, first)?,
                None => self.put(index, wanted)?,
            }
        }
        Ok(())
    }

    fn remove(&mut self, path: &TreePath, seen: &Seen) -> Result<(), ExportError> {
        self.open_parent(path)?;
        if seen.is_directory() {
            self.open(path)?;
            self.touched.remove(path);
        } else {
            self.check(path, Some(seen))?;
        }
        match self.place.remove(path, seen.is_directory()) {
            Err(error) if error.source.kind() == io::ErrorKind::DirectoryNotEmpty => Err(not_ours(self.place, path)),
            result => Ok(result?),
        }
    }

    fn make_directory(&mut self, wanted: &Wanted) -> Result<(), ExportError> {
        let path = &wanted.entry.path;
        if wanted.present.is_some() {
            return self.open(path);
        }
        self.open_parent(path)?;
        let (parent, name) = self.place.parent(path)?;
        mkdirat(&*parent, name, Mode::RWXU).map_err(|error| self.place.error(path, "create", error))?;
        self.touched.insert(path.clone());
        Ok(())
    }

    /// Gives a prepared file its name.
    fn put(&mut self, index: usize, wanted: &Wanted) -> Result<(), ExportError> {
        let path = &wanted.entry.path;
        self.open_parent(path)?;
        self.check(path, wanted.present.as_ref())?;
        let (parent, name) = self.place.parent(path)?;
        let staged = index.to_string();
        let from = self.staging.handle.as_fd();
        let moved = if wanted.present.is_some() {
            renameat(from, &staged, &*parent, name)
        } else {
            rename_new(from, &staged, parent.as_fd(), name)
        };
        match moved {
            Err(Errno::EXIST) => Err(not_ours(self.place, path)),
            moved => Ok(moved.map_err(|error| self.place.error(path, "rename to", error))?),
        }
    }

    /// Makes another name of a file whose first name is right by now.
    fn link(&mut self, index: usize, wanted: &Wanted, first: usize) -> Result<(), ExportError> {
        let first = &self.plan.wanted[first].entry.path;
        let (parent, name) = self.place.parent(first)?;
        let linked = linkat(&*parent, name, &*self.staging.handle, index.to_string(), AtFlags::empty());
        linked.map_err(|error| self.place.error(&wanted.entry.path, "link", error))?;
        self.put(index, wanted)?;
        // A rename between two names of one file does nothing.
        let _ = unlinkat(&*self.staging.handle, index.to_string(), AtFlags::empty());
        Ok(())
    }

    fn check(&self, path: &TreePath, expected: Option<&Seen>) -> Result<(), ExportError> {
        let same = match (self.place.look(path)?, expected) {
            (None, _) => true,
            (Some(now), Some(expected)) => now.is_same_but_names(expected),
            (Some(_), None) => false,
        };
        if same { Ok(()) } else { Err(not_ours(self.place, path)) }
    }

    fn open_parent(&mut self, path: &TreePath) -> Result<(), ExportError> {
        self.open(&path.parent().unwrap_or_else(TreePath::root))
    }

    /// Prepares a directory for changes in it: its mode may forbid them.
    fn open(&mut self, directory: &TreePath) -> Result<(), ExportError> {
        if self.touched.contains(directory) {
            return Ok(());
        }
        let handle = self.place.directory(directory)?;
        let failed = |error: Errno| self.place.error(directory, "make writable", error);
        let mode = rustix::fs::fstat(&*handle).map_err(failed)?.st_mode;
        if mode & 0o700 != 0o700 {
            fchmod(&*handle, Mode::from_raw_mode(mode & 0o7777 | 0o700)).map_err(failed)?;
        }
        self.touched.insert(directory.clone());
        Ok(())
    }
}

/// Gives directories their metadata, children first: making an entry touches the directory it is made in.
fn finish(place: &Place, plan: &Plan, touched: &BTreeSet<TreePath>) -> Result<(), ExportError> {
    let is_due = |entry: &&Entry| entry.kind == Kind::Directory && touched.contains(&entry.path);
    for entry in plan.wanted.iter().map(|wanted| &wanted.entry).filter(is_due).rev() {
        let handle = place.directory(&entry.path)?;
        let other = handle.try_clone().map_err(|error| place.error(&entry.path, "open", error))?;
        Maker::within(other, place.path(), Strictness::AsPermitted).set_metadata(&*handle, entry)?;
    }
    Ok(())
}

/// Renames to a name that nobody has.
fn rename_new(
    from: rustix::fd::BorrowedFd<'_>,
    name: &str,
    to: rustix::fd::BorrowedFd<'_>,
    new_name: &[u8],
) -> Result<(), Errno> {
    match renameat_with(from, name, to, new_name, RenameFlags::NOREPLACE) {
        // File systems without the flag.
        Err(Errno::INVAL | Errno::NOSYS) => match statat(to, new_name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => renameat(from, name, to, new_name),
            _ => Err(Errno::EXIST),
        },
        result => result,
    }
}

/// What everything that is wanted looks like now.
pub(super) fn look_at_all(place: &Place, plan: &Plan) -> Result<Vec<(Entry, Option<Seen>)>, FsError> {
    plan.wanted.iter().map(|wanted| Ok((wanted.entry.clone(), place.look(&wanted.entry.path)?))).collect()
}
