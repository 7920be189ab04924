//! The content-addressed store on this machine, and the forms a layer takes: a directory that overlay can mount, a
//! manifest, a canonical tar.
//!
//! ```text
//! STORE/
//!   version                 number of this layout; a newer one is refused
//!   lock                    held with flock for the moment in which an object becomes visible or is dropped
//!   layers/HEX/fs/          the layer unpacked: an overlay lower directory, whiteouts are char devices 0:0
//!   layers/HEX/manifest     its entries (`Manifest::encode`)
//!   blobs/HEX               small things named by SHA-256: image configurations, manifests, packages
//!   views/HEX/              declared files as an immutable directory
//!   records/KIND/HEX        small checked facts: results by key, and one per layer, blob and view (see below)
//!   settled/HEX             per boot: up to which moment everything is known to be on the disk
//!   logs/HEX                output of steps, by content key
//!   index/                  caches of other crates
//!   work/NAME/              private directories of running processes, leased by flock on the directory itself
//!   trash/NAME/             being deleted
//! ```
//!
//! A layer is held once, unpacked. Its canonical tar is made from manifest and files whenever somebody wants the bytes,
//! and checked against the digest while it streams.
//!
//! **An object exists if its record does.** A layer, blob or view is complete before rename(2) gives it its name, and
//! its record is written after that; both happen under `lock`, so of two publishers of the same object one wins and the
//! other discards its copy. Whatever is found without a record is rubbish that the next publisher replaces. A process
//! killed at any instruction therefore leaves either the object or nothing, and `work/NAME` of a dead process, whose
//! flock the kernel has released, is swept by the next open. A full disk is [`sinter_graph::FsError`]; nothing is
//! published then.
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
mod error;
mod export;
mod layer;
mod materialise;
mod pipeline;
mod record;
mod remove;
mod seal;
mod store;
mod trash;
mod tree_io;
mod view;
mod workspace;

pub use archive::{ArchiveError, archive_size, write_archive};
pub use boot::Boot;
pub use capture::{Below, BelowEntry, CaptureError, CapturePolicy, Given, NothingBelow, capture};
pub use error::StoreError;
pub use export::{ExportError, Exported, export_tree};
pub use materialise::{ViewError, write_view};
pub use record::RecordKind;
pub use remove::remove_tree;
pub use store::{Options, Store};
pub use workspace::Workspace;
