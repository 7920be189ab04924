//! What is known about a layer without its bytes: enough for hits, keys, placing, merging and assembling images.
//!
//! Form: the canonical encoding of `sinter_graph::encode`, domain `layer-facts`. The manifest is a file of its own,
//! `manifests/HEX`, named by its SHA-256, so that it can travel like any blob.

use std::sync::Arc;
use std::time::SystemTime;

use sinter_graph::decode::{DecodeError, Decoder};
use sinter_graph::digest::{BlobDigest, LayerDigest};
use sinter_graph::encode::Encoder;
use sinter_graph::tree::Manifest;

use crate::error::StoreError;
use crate::namespaces::LAYER;
use crate::small_file::read_small;
use crate::store::Store;

const DOMAIN: &str = "layer-facts";

/// What is known about a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerFacts {
    /// Length of the canonical tar, in bytes.
    pub size: u64,
    /// SHA-256 of the encoded manifest.
    pub manifest: BlobDigest,
    /// Where it comes from.
    pub origin: Origin,
    /// What its bytes take on a disk, in bytes, or would take.
    pub disk_bytes: u64,
}

/// Where a layer comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// sinter made it: a script wrote it, or packages or a merge.
    Captured,
    /// It shows the declared files of a step, and can be made again from them.
    Placed,
    /// Somebody else made it, and the original bytes are the blob that the descriptor names.
    Foreign {
        /// The media type of the blob.
        media_type: String,
        /// The digest of the blob.
        blob: BlobDigest,
        /// The length of the blob, in bytes.
        blob_size: u64,
        /// Names the layers it was unpacked on, itself included (OCI image-spec, "Layer ChainID").
        chain: BlobDigest,
    },
}

impl LayerFacts {
    /// The canonical encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { size, manifest, origin, disk_bytes } = self;
        let mut e = Encoder::new(DOMAIN);
        e.field("size").integer(*size);
        e.field("manifest").bytes(manifest.as_bytes());
        e.field("disk").integer(*disk_bytes);
        match origin {
            Origin::Captured => {}
            Origin::Placed => {
                e.field("placed");
            }
            Origin::Foreign { media_type, blob, blob_size, chain } => {
                e.field("foreign").text(media_type).bytes(blob.as_bytes()).integer(*blob_size).bytes(chain.as_bytes());
            }
        }
        e.finish()
    }

    /// Reads what [`LayerFacts::encode`] wrote.
    ///
    /// # Errors
    /// If the bytes are anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, DOMAIN)?;
        let size = d.field("size")?.integer()?;
        let manifest = BlobDigest::from_bytes(d.field("manifest")?.array()?);
        let disk_bytes = d.field("disk")?.integer()?;
        let origin = if d.optional_field("placed") {
            Origin::Placed
        } else if d.optional_field("foreign") {
            Origin::Foreign {
                media_type: d.text()?.to_owned(),
                blob: BlobDigest::from_bytes(d.array()?),
                blob_size: d.integer()?,
                chain: BlobDigest::from_bytes(d.array()?),
            }
        } else {
            Origin::Captured
        };
        d.finish()?;
        Ok(Self { size, manifest, origin, disk_bytes })
    }
}

impl Store {
    /// What is known about a layer, wherever its bytes are; `None` if it is not known.
    ///
    /// # Errors
    /// If nobody can tell.
    pub fn facts(&self, layer: &LayerDigest) -> Result<Option<LayerFacts>, StoreError> {
        let bytes = self.fact(LAYER, &layer.hex())?;
        Ok(bytes.and_then(|bytes| LayerFacts::decode(&bytes).ok()))
    }

    /// Whether the layer is known; its bytes may be elsewhere.
    ///
    /// # Errors
    /// If nobody can tell.
    pub fn knows_layer(&self, layer: &LayerDigest) -> Result<bool, StoreError> {
        Ok(self.facts(layer)?.is_some())
    }

    /// The length in bytes of the layer's canonical tar.
    ///
    /// # Errors
    /// If the layer is not known.
    pub fn layer_size(&self, layer: &LayerDigest) -> Result<u64, StoreError> {
        Ok(self.known_facts(layer)?.size)
    }

    /// When the bytes of the layer were last asked for; `None` if it is not known.
    #[must_use]
    pub fn last_use(&self, layer: &LayerDigest) -> Option<SystemTime> {
        std::fs::metadata(self.fact_path(LAYER, &layer.hex()).ok()?).ok()?.modified().ok()
    }

    /// Notes that somebody asks for the bytes now. Who may not write the time loses nothing but the order of deletion.
    pub(crate) fn touch(&self, layer: &LayerDigest) {
        if let Ok(path) = self.fact_path(LAYER, &layer.hex()) {
            let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
            let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
            let _ = rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
        }
    }

    /// The entries of a layer, verified when first read by this process.
    ///
    /// # Errors
    /// If the layer is not known, or if its manifest is gone or damaged; then the layer is dropped.
    pub fn manifest(&self, layer: &LayerDigest) -> Result<Arc<Manifest>, StoreError> {
        if let Some(manifest) = self.manifests().get(layer) {
            return Ok(manifest);
        }
        let facts = self.known_facts(layer)?;
        let path = self.manifest_path(&facts.manifest);
        let encoded = match read_small(&path)? {
            Some(encoded) => encoded,
            None => self.manifest_from_elsewhere(&facts.manifest, &path)?.unwrap_or_default(),
        };
        let whole = BlobDigest::of(&encoded) == facts.manifest;
        match Manifest::decode(&encoded).ok().filter(|_| whole) {
            Some(manifest) => {
                let manifest = Arc::new(manifest);
                self.manifests().insert(*layer, manifest.clone());
                Ok(manifest)
            }
            None => Err(self.damaged_layer(layer, &path, "it is not the manifest that was written".to_owned())),
        }
    }

    fn manifest_from_elsewhere(
        &self,
        manifest: &BlobDigest,
        path: &std::path::Path,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(elsewhere) = self.elsewhere() else { return Ok(None) };
        let fetched = elsewhere.manifest(manifest).map_err(|error| StoreError::io(path, "fetch", error))?;
        let fetched = fetched.filter(|bytes| BlobDigest::of(bytes) == *manifest);
        if let Some(bytes) = &fetched {
            self.replace_file(path, bytes)?;
        }
        Ok(fetched)
    }

    /// Makes a layer known of which everything but the facts is elsewhere. What is known already stays.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn put_facts_alone(&self, layer: &LayerDigest, facts: &LayerFacts) -> Result<(), StoreError> {
        if self.knows_layer(layer)? {
            return Ok(());
        }
        self.put_fact(LAYER, &layer.hex(), &facts.encode())
    }

    /// Makes a layer known whose bytes are elsewhere.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn put_facts(
        &self,
        layer: &LayerDigest,
        size: u64,
        manifest: Manifest,
        origin: Origin,
    ) -> Result<(), StoreError> {
        let facts = self.keep_manifest(&manifest, size, origin)?;
        self.put_fact(LAYER, &layer.hex(), &facts.encode())?;
        self.manifests().insert(*layer, Arc::new(manifest));
        Ok(())
    }

    /// Says that more than a step's view depends on a layer of placed files, so that it is not reused for the next edit.
    ///
    /// # Errors
    /// If the facts cannot be read or written.
    pub fn claim(&self, layer: &LayerDigest) -> Result<(), StoreError> {
        match self.facts(layer)? {
            Some(facts) if facts.origin == Origin::Placed => {
                let facts = LayerFacts { origin: Origin::Captured, ..facts };
                self.put_fact(LAYER, &layer.hex(), &facts.encode())
            }
            _ => Ok(()),
        }
    }

    /// Writes a manifest under its digest, before the facts that name it.
    pub(crate) fn keep_manifest(
        &self,
        manifest: &Manifest,
        size: u64,
        origin: Origin,
    ) -> Result<LayerFacts, StoreError> {
        let encoded = manifest.encode();
        let digest = BlobDigest::of(&encoded);
        self.replace_file(&self.manifest_path(&digest), &encoded)?;
        Ok(LayerFacts { size, manifest: digest, origin, disk_bytes: disk_bytes(manifest) })
    }

    pub(crate) fn known_facts(&self, layer: &LayerDigest) -> Result<LayerFacts, StoreError> {
        self.facts(layer)?.ok_or(StoreError::MissingLayer { digest: *layer })
    }

    fn manifest_path(&self, digest: &BlobDigest) -> std::path::PathBuf {
        self.root().join("manifests").join(digest.hex())
    }
}

/// What the entries take on a disk with blocks of 4 KiB.
fn disk_bytes(manifest: &Manifest) -> u64 {
    const BLOCK: u64 = 4096;
    let of = |entry: &sinter_graph::tree::Entry| match &entry.kind {
        sinter_graph::tree::Kind::File { size, .. } => size.div_ceil(BLOCK).saturating_mul(BLOCK),
        sinter_graph::tree::Kind::Directory => BLOCK,
        _ => 0,
    };
    manifest.entries().iter().map(of).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_have_one_encoding() {
        let digest = |byte| BlobDigest::from_bytes([byte; 32]);
        let foreign = Origin::Foreign {
            media_type: "application/vnd.oci.image.layer.v1.tar+gzip".to_owned(),
            blob: digest(1),
            blob_size: 7,
            chain: digest(2),
        };
        for origin in [Origin::Captured, Origin::Placed, foreign] {
            let facts = LayerFacts { size: 10_240, manifest: digest(3), origin, disk_bytes: 4096 };
            let bytes = facts.encode();
            for length in 0..bytes.len() {
                assert_ne!(LayerFacts::decode(&bytes[..length]).as_ref(), Ok(&facts), "cut at {length}");
            }
            assert_eq!(LayerFacts::decode(&bytes), Ok(facts));
        }
    }
}
