//! The content-addressed store on this machine, and the forms a layer takes: a directory that overlay can mount, a
//! manifest, a canonical tar.
//!
//! ```text
//! STORE/                    0700, owned by its only user
//!   version                 number of this layout; another one is refused
//!   ids                     the map of ids the owners in layers are numbers of; another one is refused
//!   lock                    held with flock for the moment in which an object becomes visible or is dropped
//!   layers/HEX/fs/          the bytes of a layer, unpacked: an overlay lower directory, whiteouts are char devices 0:0
//!   layers/HEX/seal         what the entries looked like to the kernel when they were published
//!   manifests/HEX           the entries of a layer (`Manifest::encode`), by SHA-256
//!   blobs/HEX               small things named by SHA-256: image configurations, manifests, packages
//!   records/KIND/HEX        small checked facts: results by key, stacks, and one per layer and blob (see below)
//!   settled/HEX             per boot: up to which moment everything is known to be on the disk
//!   logs/HEX                output of steps, by content key
//!   merged/HEX/fs/          a run of small layers as one directory, its files linked; for deep stacks, in no key
//!   index/                  caches of other crates
//!   leases/NAME             what a running build counts on: digests, in a file held with flock
//!   withdrawals             grows by two bytes whenever an object is taken out of its place
//!   turns/HEX               held with flock while the result of that content key is made
//!   work/NAME/              private directories of running processes, leased by flock on the directory itself
//!   trash/NAME              being deleted
//! ```
//!
//! **A layer is facts and bytes.** The facts (size, manifest, origin) are a record and a file and may be known without the
//! bytes, which are on this disk or [`Elsewhere`]; [`Store::ensure`] brings and leases them. Bytes are held once, unpacked.
//! The canonical tar is made from manifest and files whenever somebody wants it, and checked against the digest while it
//! streams.
//!
//! **An object exists if its record does.** A layer or blob is complete before rename(2) gives it its name, and its record
//! is written after that; both happen under `lock`, so of two publishers of the same object one wins and the other
//! discards its copy. Whatever is found without a record is rubbish that the next publisher replaces. A process killed at
//! any instruction therefore leaves either the object or nothing, and `work/NAME` of a dead process, whose flock the kernel
//! has released, is swept by the next open. A full disk is [`sinter_graph::FsError`]; nothing is published then.
//!
//! **What is mounted is what was captured**: [`Lease::examine`] holds it against the seal, and the contents against the
//! digest if the seal is broken. Damage drops the layer and every record that counts on it. An error that is no damage
//! drops nothing and is never taken for absence.
//!
//! **Nothing is deleted that is leased**: who deletes moves the object to `trash` first and then reads all leases; bytes
//! that somebody may have mounted stay there until that build has ended.
//!
//! **Power loss** is why no file is synced one by one. A record carries the boot it was written in and the moment, taken
//! when all bytes it vouches for had been written. [`Store::settle`] calls syncfs once and then notes that moment for
//! this boot. A record of another boot that is younger than that boot's note is ignored, and so its object is made
//! again. The store may forget, it must not lie.
//!
//! Rules: a published directory is never changed again; every byte that leaves as a blob is verified; no global state.
//! Must not know: keys' meaning, steps, sandboxes, registries, the language.

mod archive;
mod blob;
mod boot;
mod capture;
mod clear;
mod damage;
mod digest;
mod dress;
mod elsewhere;
mod ensure;
mod error;
mod export;
mod facts;
mod foreign;
mod held;
mod import;
mod layer;
mod layout;
mod leases;
mod manifests;
mod materialise;
mod merged;
mod moment;
mod named_lock;
mod namespaces;
mod pipeline;
mod record;
mod remove;
mod revise;
mod seal;
mod settle;
mod small_file;
mod store;
mod trash;
mod tree_io;
mod turns;
mod withdrawals;
mod workspace;
mod xattrs;

pub use archive::{ArchiveError, ReadError, archive_size, read_archive, write_archive};
pub use boot::Boot;
pub use capture::{Below, BelowEntry, CaptureError, CapturePolicy, Captured, Given, NothingBelow, capture};
pub use clear::clear_store;
pub use dress::dress_root;
pub use elsewhere::Elsewhere;
pub use ensure::Lease;
pub use error::{ForeignError, ImportError, StoreError};
pub use export::{ExportError, Exported, export_tree};
pub use facts::{LayerFacts, Origin};
pub use foreign::Foreign;
pub use materialise::{ViewError, write_view};
pub use named_lock::{Wait, WaitFor, WaitListener};
pub use record::RecordKind;
pub use remove::remove_tree;
pub use settle::Settling;
pub use store::{Options, Store};
pub use turns::Turn;
pub use workspace::Workspace;
