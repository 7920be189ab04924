//! Unpacks packages into one directory and describes the result.
//!
//! Two phases. First every package on its own, several at once: decompress, hash, write each file to a staging directory
//! beside the tree, with its final mode, owner and time. Then all together, in dependency order: decide where everything
//! lands (`placement`), add the databases, and rename the files to their places. So the result cannot depend on which
//! thread was faster, and no path of a package is ever resolved by the kernel.
//! Must not know: mirrors, resolution.

mod read;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use sinter_graph::digest::ContentHash;
use sinter_graph::lock::PinnedPackage;
use sinter_graph::path::TreePath;
use sinter_graph::tree::Manifest;
use sinter_store::StoreError;

use super::control::Control;
use super::database::{self, DatabaseFile, SYSTEM_DIRECTORIES, Unpacked};
use super::dependency::parse_relations;
use super::error::DebianError;
use super::order::dependency_order;
use super::placement::{Bytes, Misplaced, Owner, Placed, Placement, Thing};
use super::{Debian, Progress};

/// More threads than this wait for the disk, not for the processor.
const MAX_THREADS: usize = 8;

/// What reading one package yields.
struct ReadPackage {
    control: Control,
    /// In the order of its archive.
    entries: Vec<Placed>,
    /// MD5 of configuration files, or of all files if the package brought no sums.
    md5: BTreeMap<TreePath, String>,
}

pub(super) fn unpack(
    debian: &Debian<'_>,
    packages: &[PinnedPackage],
    system: bool,
    into: &Path,
) -> Result<Manifest, DebianError> {
    let mut pins: Vec<&PinnedPackage> = packages.iter().collect();
    pins.sort();
    pins.dedup();
    let staging = into.join(".sinter-staging");
    std::fs::create_dir(&staging).map_err(|source| io_fault("create", &staging, source))?;
    let read = read_all(debian, &pins, &staging)?;
    let architecture = pins.iter().map(|pin| pin.architecture.as_str()).find(|name| *name != "all").unwrap_or("all");
    let nodes = arrange(&read, system, architecture)?.into_nodes();
    let manifest = write::write(into, nodes)?;
    // Only what another package took over is left in it.
    std::fs::remove_dir_all(&staging).map_err(|source| io_fault("remove", &staging, source))?;
    write::settle_root(into)?;
    Ok(manifest)
}

/// All packages, in dependency order.
fn read_all(debian: &Debian<'_>, pins: &[&PinnedPackage], staging: &Path) -> Result<Vec<ReadPackage>, DebianError> {
    let mut largest_first: Vec<usize> = (0..pins.len()).collect();
    largest_first.sort_by_key(|&index| std::cmp::Reverse(pins[index].size));
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Mutex<BTreeMap<usize, Result<ReadPackage, DebianError>>> = Mutex::new(BTreeMap::new());
    let work = || {
        while let Some(&index) = largest_first.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = read_one(debian, pins[index], &staging.join(index.to_string()));
            let failed = result.is_err();
            results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(index, result);
            let (name, done) = (pins[index].name.clone(), done.fetch_add(1, Ordering::Relaxed) + 1);
            debian.report(Progress::Unpack { name, done, total: pins.len() });
            if failed {
                next.store(pins.len(), Ordering::Relaxed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(pins.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let read: Vec<ReadPackage> = results.into_values().collect::<Result<_, _>>()?;
    let controls: Vec<&Control> = read.iter().map(|package| &package.control).collect();
    let architecture = controls.iter().map(|control| control.architecture.as_str()).find(|name| *name != "all");
    let order = dependency_order(&controls, architecture.unwrap_or("all"));
    let mut slots: Vec<Option<ReadPackage>> = read.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|index| slots[index].take()).collect())
}

fn read_one(debian: &Debian<'_>, pin: &PinnedPackage, staging: &Path) -> Result<ReadPackage, DebianError> {
    let deb = debian.store.verified_blob(&pin.sha256).map_err(|error| match error {
        StoreError::MissingBlob { .. } => {
            DebianError::Offline { missing: vec![format!("{} {}", pin.name, pin.version)] }
        }
        error => error.into(),
    })?;
    read::read_package(deb, pin, staging)
}

/// Decides where everything lands.
fn arrange(packages: &[ReadPackage], system: bool, architecture: &str) -> Result<Placement, DebianError> {
    let mut placement = Placement::default();
    let replaces = replacements(packages, architecture);
    let replaces = |new: Owner, old: Owner| replaces.get(&new).is_some_and(|olds| olds.contains(&old));
    let ours = packages.len();
    let place = |placement: &mut Placement, placed: Placed, owner: Owner| {
        placement.place(placed, owner, &replaces).map_err(|misplaced| explain(misplaced, owner, packages))
    };
    for placed in merged_usr(architecture) {
        place(&mut placement, placed, ours)?;
    }
    for (owner, package) in packages.iter().enumerate() {
        for entry in &package.entries {
            place(&mut placement, entry.clone(), owner)?;
        }
    }
    if !system {
        remove_unused_links(&mut placement, architecture);
    }
    for placed in database_entries(packages, &placement, system, architecture) {
        place(&mut placement, placed?, ours)?;
    }
    Ok(placement)
}

/// For each package the others whose files it may take over (Policy 7.6.1).
fn replacements(packages: &[ReadPackage], architecture: &str) -> BTreeMap<Owner, Vec<Owner>> {
    let mut all = BTreeMap::new();
    for (new, package) in packages.iter().enumerate() {
        let relations = parse_relations(package.control.field("Replaces"), architecture).unwrap_or_default();
        let replaced = |old: &Control| {
            relations
                .iter()
                .flat_map(|group| &group.0)
                .any(|relation| relation.name == old.name && relation.admits(&old.version))
        };
        let olds: Vec<Owner> =
            (0..packages.len()).filter(|&old| old != new && replaced(&packages[old].control)).collect();
        if !olds.is_empty() {
            all.insert(new, olds);
        }
    }
    all
}

fn explain(misplaced: Misplaced, owner: Owner, packages: &[ReadPackage]) -> DebianError {
    let name = |owner: Owner| {
        packages.get(owner).map_or_else(|| "the file layout".to_owned(), |package| package.control.name.clone())
    };
    match misplaced {
        Misplaced::Conflict { path, first } => {
            DebianError::FileConflict { path: path.to_string(), first: name(first), second: name(owner) }
        }
        Misplaced::Malformed(reason) => DebianError::BadPackage { name: name(owner), reason },
    }
}

/// The links of merged `/usr`, made before any package is placed, as bootstrapping tools do since Debian 10.
fn merged_usr(architecture: &str) -> Vec<Placed> {
    let links = ["bin", "sbin", "lib"].into_iter().chain(library_links(architecture).iter().copied());
    links
        .flat_map(|name| {
            let target = format!("usr/{name}").into_bytes();
            [plain(&format!("usr/{name}"), Thing::Directory, 0o755), plain(name, Thing::Symlink { target }, 0o777)]
        })
        .flatten()
        .collect()
}

/// The further library directories of an architecture that live below `/usr`.
fn library_links(architecture: &str) -> &'static [&'static str] {
    match architecture {
        "amd64" | "x32" => &["lib32", "lib64", "libx32"],
        "i386" => &["lib64", "libx32"],
        "mips" | "mipsel" | "ppc64" | "sparc64" | "loong64" => &["lib32", "lib64"],
        "mips64" | "mips64el" => &["lib32", "lib64", "libo32"],
        "powerpc" | "ppc64el" | "sparc" => &["lib64"],
        "s390x" => &["lib32"],
        _ => &[],
    }
}

/// A tree without a system in it has a further library link only if something is behind it.
fn remove_unused_links(placement: &mut Placement, architecture: &str) {
    for name in library_links(architecture) {
        let (Ok(link), Ok(directory)) = (TreePath::new(name), TreePath::new(format!("usr/{name}"))) else { continue };
        if !placement.has_below(&directory) {
            placement.remove(&link);
            placement.remove(&directory);
        }
    }
}

/// An entry of ours; `None` if the path were none.
fn plain(path: &str, thing: Thing, mode: u32) -> Option<Placed> {
    TreePath::new(path).ok().map(|path| Placed { path, thing, mode, uid: 0, gid: 0 })
}

fn database_entries(
    packages: &[ReadPackage],
    placement: &Placement,
    system: bool,
    architecture: &str,
) -> Vec<Result<Placed, DebianError>> {
    let lost: std::collections::BTreeSet<&(Owner, TreePath)> = placement.lost.iter().collect();
    let unpacked: Vec<Unpacked<'_>> = packages
        .iter()
        .enumerate()
        .map(|(owner, package)| {
            let kept = |path: &&TreePath| lost.is_empty() || !lost.contains(&(owner, (*path).clone()));
            let paths = package.entries.iter().map(|entry| &entry.path).filter(kept).collect();
            Unpacked { control: &package.control, paths, md5: &package.md5 }
        })
        .collect();
    let (files, directories) = if system {
        (database::system_files(&unpacked, architecture), &SYSTEM_DIRECTORIES[..])
    } else {
        (database::scanner_files(&unpacked), &[][..])
    };
    let directories = directories.iter().filter_map(|path| plain(path, Thing::Directory, 0o755)).map(Ok);
    directories.chain(files.into_iter().map(database_entry)).collect()
}

fn database_entry((path, bytes, mode): DatabaseFile) -> Result<Placed, DebianError> {
    let size = bytes.len() as u64;
    let thing = Thing::File { size, content: ContentHash::of(&bytes), bytes: Bytes::Memory(bytes) };
    plain(&path, thing, mode)
        .ok_or_else(|| DebianError::BadPackage { name: path, reason: "it cannot be named in the database".to_owned() })
}

fn io_fault(action: &'static str, path: &Path, source: std::io::Error) -> DebianError {
    DebianError::Io { action, path: PathBuf::from(path), source }
}
