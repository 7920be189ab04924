//! The client of registries (OCI distribution-spec v1.1), the only place that speaks HTTP to them.
//!
//! [`Registries`] knows the machine's settings and hands out a [`Repository`] for each reference: where manifests are got
//! and put, and blobs fetched, mounted and pushed.
//!
//! Rules: who one is, is said only after a registry asked, and to nobody but it and the token server that it names; every
//! document and blob is checked against its digest; one mistake of the network costs a try, not the work. Must not know:
//! what images hold, the store.

mod blob_reader;
mod challenge;
mod credential_helper;
mod credentials;
mod environment;
mod error;
mod exchange;
mod host;
mod message;
mod pull;
mod push;
mod registries;
mod settings;
mod token;

pub use blob_reader::BlobReader;
pub use environment::Environment;
pub use error::RegistryError;
pub use pull::{Document, Repository};
pub use push::{BlobSource, Pushed};
pub use registries::Registries;
pub use sinter_http::{FetchError, Patience};
