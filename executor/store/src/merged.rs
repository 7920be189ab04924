//! Deep stacks as a few directories: the kernel takes 500 lower directories, and each costs every look-up.
//!
//! Runs of small layers are shown by one directory, `merged/HEX/fs`, that has the names of their files as hard links, their
//! deletions, and directories of its own. It enters no key and leaves the store in no form: what a step sees through it is
//! what it would see through its layers, but for the number of links of a file.
//!
//! Which runs: layers with many entries stand alone. The small ones between two of those are counted from the bottom and
//! taken together by eights, complete eights of those by eights again, and so on. So a step on top of a chain finds what the
//! steps below it have merged already, and every layer is linked once for each level.
//!
//! Linking changes the ctime of a file, so its layer is held against its seal first and sealed anew afterwards. A merged
//! directory is checked when it is first used by a build: its own directories by inode and ctime, its files by being those
//! of the layers, whose seals speak for their contents. Where in doubt it is made again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, XattrFlags, fsetxattr, linkat};
use sinter_graph::FsError;
use sinter_graph::digest::{BlobDigest, LayerDigest};
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind, Manifest};

use crate::error::StoreError;
use crate::materialise::{Maker, Strictness, ViewError};
use crate::namespaces::MERGED;
use crate::seal::{Seal, Stamp};
use crate::small_file::read_small;
use crate::store::{Object, Store};
use crate::tree_io::{open_root, os_path, stat};

/// How many parts make one of the next size.
const RADIX: usize = 8;
/// A layer with more entries than this is no small one.
const SMALL: usize = 1000;
/// A stack of no more layers than this is mounted as it is.
const SHALLOW: usize = RADIX;

/// One layer of a stack, ready to be mounted.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) digest: LayerDigest,
    pub(crate) directory: PathBuf,
    pub(crate) manifest: Arc<Manifest>,
}

impl Part {
    fn is_small(&self) -> bool {
        self.manifest.entries().len() <= SMALL
    }
}

/// Ranges of a stack of which each is to be one directory, from the bottom.
fn ranges(small: &[bool]) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < small.len() {
        let run = small[start..].iter().take_while(|&&small| small).count();
        ranges.extend(eights(run).into_iter().map(|range| start + range.start..start + range.end));
        start += run;
        if start < small.len() {
            ranges.push(start..start + 1);
            start += 1;
        }
    }
    ranges
}

/// A run of `count` layers in complete powers of [`RADIX`], the largest first.
fn eights(count: usize) -> Vec<std::ops::Range<usize>> {
    let (mut ranges, mut start) = (Vec::new(), 0);
    while start < count {
        let mut size = 1;
        while size * RADIX <= count - start {
            size *= RADIX;
        }
        ranges.push(start..start + size);
        start += size;
    }
    ranges
}

impl Store {
    /// The directories that show a stack, the bottom one first.
    ///
    /// # Errors
    /// If the disk refuses, or if a layer is damaged; then it is dropped.
    pub(crate) fn lowers(&self, parts: &[Part]) -> Result<Vec<PathBuf>, StoreError> {
        if parts.len() <= SHALLOW {
            return Ok(parts.iter().map(|part| part.directory.clone()).collect());
        }
        let small: Vec<bool> = parts.iter().map(Part::is_small).collect();
        ranges(&small).into_iter().map(|range| self.lower(&parts[range])).collect()
    }

    fn lower(&self, parts: &[Part]) -> Result<PathBuf, StoreError> {
        let [one] = parts else { return self.merged(parts) };
        Ok(one.directory.clone())
    }

    fn merged(&self, parts: &[Part]) -> Result<PathBuf, StoreError> {
        let digest = name(parts);
        self.leases().add([*digest.as_bytes()])?;
        let place = self.root().join("merged").join(digest.hex());
        let unpacked = place.join("fs");
        if self.known_merged().contains(&digest) {
            return Ok(unpacked);
        }
        let nodes = merge(parts);
        if !self.is_whole(&digest, &place, parts, &nodes)? {
            self.make(&digest, &place, parts, &nodes)?;
        }
        self.known_merged().insert(digest);
        Ok(unpacked)
    }

    /// Whether the directory is there and shows these files.
    fn is_whole(
        &self,
        digest: &BlobDigest,
        place: &Path,
        parts: &[Part],
        nodes: &Nodes<'_>,
    ) -> Result<bool, StoreError> {
        if self.fact(MERGED, &digest.hex())?.is_none() {
            return Ok(false);
        }
        let seal = read_small(&place.join("seal"))?.and_then(|bytes| Seal::decode(&bytes));
        let Some(seal) = seal else { return Ok(false) };
        let Ok(root) = open_root(&place.join("fs")) else { return Ok(false) };
        if seal.stamps() != directory_stamps(&root, nodes) {
            return Ok(false);
        }
        let mut layers = Directories::of(parts);
        for node in nodes.iter().filter(|node| node.entry.kind != Kind::Directory) {
            if !is_linked(&root, layers.get(node.layer)?, node) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn make(&self, digest: &BlobDigest, place: &Path, parts: &[Part], nodes: &Nodes<'_>) -> Result<(), StoreError> {
        let workspace = self.workspace()?;
        let made = workspace.path().join("merged");
        let unpacked = made.join("fs");
        std::fs::create_dir(&made).map_err(|error| StoreError::io(&made, "create", error))?;
        // Linking changes what a seal holds, so the layers have to be right before it.
        for part in parts {
            self.ensure(&[part.digest])?.examine()?;
        }
        link_all(&unpacked, parts, nodes)?;
        for part in parts {
            self.seal_again(&part.digest, &part.directory, &part.manifest)?;
        }
        let root = open_root(&unpacked).map_err(|error| StoreError::io(&unpacked, "open", error))?;
        let seal = Seal::new(directory_stamps(&root, nodes));
        let path = made.join("seal");
        std::fs::write(&path, seal.encode()).map_err(|error| StoreError::io(&path, "write", error))?;
        let object = Object { path: place.to_owned(), namespace: MERGED, key: &digest.hex() };
        // What is there did not pass, so it is replaced; another process may have done that meanwhile.
        self.publish(&made, &object, || Ok(false), &[])
    }
}

/// What a run of layers is called.
fn name(parts: &[Part]) -> BlobDigest {
    let digests: Vec<u8> = parts.iter().flat_map(|part| *part.digest.as_bytes()).collect();
    BlobDigest::of(&[b"merged".as_slice(), &digests].concat())
}

/// One path of a merged directory.
struct Node<'a> {
    entry: &'a Entry,
    /// Which of the layers it comes from.
    layer: usize,
    /// Whether a directory hides what lies below the run.
    opaque: bool,
}

type Nodes<'a> = Vec<Node<'a>>;

/// What a run of layers does to whatever lies below it, sorted by path.
fn merge(parts: &[Part]) -> Nodes<'_> {
    let mut nodes: BTreeMap<&TreePath, Node<'_>> = BTreeMap::new();
    for (layer, part) in parts.iter().enumerate() {
        for entry in part.manifest.entries() {
            let known = nodes.get(&entry.path).map(|node| (node.entry.kind == Kind::Directory, node.opaque));
            let opaque = match (entry.kind == Kind::Directory, known) {
                (true, Some((true, opaque))) => opaque,
                (true, Some((false, _))) => true,
                (false, Some((true, _))) => {
                    remove_below(&mut nodes, &entry.path);
                    false
                }
                _ => false,
            };
            nodes.insert(&entry.path, Node { entry, layer, opaque });
        }
    }
    nodes.into_values().collect()
}

fn remove_below(nodes: &mut BTreeMap<&TreePath, Node<'_>>, path: &TreePath) {
    let behind = nodes.range::<&TreePath, _>((Bound::Excluded(path), Bound::Unbounded));
    // Not a contiguous range: `a-b` sorts between `a` and `a/b`.
    let doomed: Vec<TreePath> =
        behind.map(|(other, _)| *other).filter(|other| other.starts_with(path)).cloned().collect();
    for path in doomed {
        nodes.remove(&path);
    }
}

/// The directories of the parts, of which one is open at a time: a run may have more layers than a process open files.
struct Directories<'a> {
    parts: &'a [Part],
    open: Option<(usize, OwnedFd)>,
}

impl<'a> Directories<'a> {
    const fn of(parts: &'a [Part]) -> Self {
        Self { parts, open: None }
    }

    fn get(&mut self, layer: usize) -> Result<&OwnedFd, StoreError> {
        let open = match self.open.take() {
            Some((number, directory)) if number == layer => directory,
            _ => {
                let path = &self.parts[layer].directory;
                open_root(path).map_err(|error| StoreError::io(path, "open", error))?
            }
        };
        Ok(&self.open.insert((layer, open)).1)
    }
}

fn link_all(unpacked: &Path, parts: &[Part], nodes: &Nodes<'_>) -> Result<(), StoreError> {
    let mut layers = Directories::of(parts);
    let mut maker = Maker::new(unpacked, Strictness::Exact).map_err(store_error)?;
    let root = open_root(unpacked).map_err(|error| StoreError::io(unpacked, "open", error))?;
    for node in nodes {
        if node.entry.kind == Kind::Directory {
            maker.make(node.entry, || Err(std::io::ErrorKind::Unsupported.into())).map_err(store_error)?;
            continue;
        }
        let path = os_path(&node.entry.path);
        linkat(layers.get(node.layer)?, path, &root, path, AtFlags::empty())
            .map_err(|error| StoreError::io(&unpacked.join(node.entry.path.to_os_path()), "link", error))?;
    }
    for (path, name, value) in marks(nodes) {
        let path = unpacked.join(path.to_os_path());
        let marked =
            File::open(&path).and_then(|directory| Ok(fsetxattr(&directory, name, value, XattrFlags::empty())?));
        marked.map_err(|error| FsError::new(&path, "mark", error))?;
    }
    let directories = nodes.iter().map(|node| node.entry).filter(|entry| entry.kind == Kind::Directory);
    maker.finish(directories).map_err(store_error)
}

/// What overlayfs has to know of directories. It lists a directory that no other layer has as it is, deletions included, which
/// then are names of nothing; the mark of a copied directory, here of one whose origin is unknown, makes it look for them.
fn marks(nodes: &Nodes<'_>) -> impl Iterator<Item = (TreePath, &'static str, &'static [u8])> {
    let opaque = nodes.iter().filter(|node| node.opaque).map(|node| node.entry.path.clone());
    let deletions = nodes.iter().filter(|node| node.entry.kind == Kind::Whiteout);
    let holders: BTreeSet<TreePath> = deletions.filter_map(|node| node.entry.path.parent()).collect();
    opaque
        .map(|path| (path, "user.overlay.opaque", &b"y"[..]))
        .chain(holders.into_iter().map(|path| (path, "user.overlay.origin", &b""[..])))
}

fn store_error(error: ViewError) -> StoreError {
    match error {
        ViewError::Fs(error) => error.into(),
        ViewError::Manifest(source) => StoreError::Manifest { path: PathBuf::new(), source },
        error => StoreError::io(Path::new("merged"), "fill", std::io::Error::other(error)),
    }
}

/// Of every directory, the root first; what cannot be looked at has none, so that the lists differ.
fn directory_stamps(root: &OwnedFd, nodes: &Nodes<'_>) -> Vec<Stamp> {
    let is_below_root = |entry: &&Entry| entry.kind == Kind::Directory && !entry.path.is_root();
    let directories = nodes.iter().map(|node| node.entry).filter(is_below_root).map(|entry| &entry.path);
    let top = TreePath::root();
    std::iter::once(&top).chain(directories).filter_map(|path| Some(Stamp::of(&stat(root, path).ok()?))).collect()
}

/// Whether a file of the merged directory is the one of its layer.
fn is_linked(root: &OwnedFd, layer: &OwnedFd, node: &Node<'_>) -> bool {
    let identity = |directory: &OwnedFd| stat(directory, &node.entry.path).map(|stat| (stat.st_dev, stat.st_ino)).ok();
    identity(root).is_some_and(|found| identity(layer) == Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_cut_into_complete_eights() {
        let lengths = |count: usize| -> Vec<usize> { eights(count).into_iter().map(|range| range.len()).collect() };
        assert_eq!(lengths(0), [0; 0]);
        assert_eq!(lengths(7), [1; 7]);
        assert_eq!(lengths(8), [8]);
        assert_eq!(lengths(75), [64, 8, 1, 1, 1]);
        assert!((0..5000).all(|count| lengths(count).len() <= 32), "few directories at any depth");
        // What one step merged, the next one finds again.
        let next_finds = |count: usize| {
            eights(count)
                .iter()
                .filter(|range| range.len() > 1)
                .all(|range| eights(count + 1).iter().any(|other| other.start <= range.start && range.end <= other.end))
        };
        assert!((0..600).all(next_finds));
    }

    #[test]
    fn large_layers_stand_alone() {
        let small: Vec<bool> = "lsssssssssls".chars().map(|kind| kind == 's').collect();
        assert_eq!(ranges(&small), [0..1, 1..9, 9..10, 10..11, 11..12]);
    }
}
