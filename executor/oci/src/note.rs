//! Small notes in a registry: bytes of ours under a tag, which name blobs so that the registry keeps them.
//!
//! Form: an OCI manifest of `artifactType` [`NOTE`] with the empty configuration (image-spec v1.1, "Guidelines for Artifact
//! Usage"). The note itself stands in an annotation, so that one request reads it; the blobs are its layers.
//!
//! Must not know: what a note says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sinter_graph::digest::BlobDigest;

use crate::canonical::canonical_json;
use crate::descriptor::document;

/// What our notes are.
pub const NOTE: &str = "application/vnd.sinter.note.v1";
const ANNOTATION: &str = "vnd.sinter.note";
const SIGNATURE: &str = "vnd.sinter.signature";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The document that such a manifest has instead of a configuration.
pub const EMPTY_DOCUMENT: &[u8] = b"{}";
/// No note is longer: with all around it, it fits into a manifest.
pub const LONGEST_NOTE: usize = 2 << 20;

/// A note as it lies in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it says.
    pub bytes: Vec<u8>,
    /// Who says so: a line of text, or nothing.
    pub signature: Option<String>,
}

/// A blob that a note keeps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotedBlob {
    /// SHA-256 of its bytes.
    pub digest: BlobDigest,
    /// How many they are.
    pub size: u64,
    /// What it is.
    pub media_type: String,
}

impl Note {
    /// The manifest of a note that keeps these blobs, which must be in the repository, as [`EMPTY_DOCUMENT`] must.
    #[must_use]
    pub fn manifest(&self, blobs: &[NotedBlob]) -> Vec<u8> {
        let empty = document(EMPTY, BlobDigest::of(EMPTY_DOCUMENT), EMPTY_DOCUMENT.len() as u64);
        let mut layers: Vec<Value> =
            blobs.iter().map(|blob| document(&blob.media_type, blob.digest, blob.size)).collect();
        if layers.is_empty() {
            layers.push(empty.clone());
        }
        let mut annotations = json!({ ANNOTATION: STANDARD.encode(&self.bytes) });
        if let Some(signature) = &self.signature {
            annotations[SIGNATURE] = signature.as_str().into();
        }
        canonical_json(&json!({
            "annotations": annotations,
            "artifactType": NOTE,
            "config": empty,
            "layers": layers,
            "mediaType": MANIFEST,
            "schemaVersion": 2,
        }))
    }

    /// Reads a note from its manifest; `None` if that is the manifest of something else.
    #[must_use]
    pub fn read(manifest: &[u8]) -> Option<Self> {
        let document: Value = serde_json::from_slice(manifest).ok()?;
        if document["artifactType"].as_str() != Some(NOTE) {
            return None;
        }
        let annotations = &document["annotations"];
        let bytes = STANDARD.decode(annotations[ANNOTATION].as_str()?).ok()?;
        Some(Self { bytes, signature: annotations[SIGNATURE].as_str().map(str::to_owned) })
    }

    /// The media type of its manifest.
    #[must_use]
    pub const fn media_type() -> &'static str {
        MANIFEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_were_written() {
        let blob = NotedBlob { digest: BlobDigest::of(b"x"), size: 1, media_type: "a/b".to_owned() };
        for (bytes, signature) in [(vec![], None), (vec![0, 255, 7], Some("ed25519 x y".to_owned()))] {
            let note = Note { bytes, signature };
            for blobs in [&[][..], std::slice::from_ref(&blob)] {
                assert_eq!(Note::read(&note.manifest(blobs)), Some(note.clone()));
            }
        }
        for other in [&b"{}"[..], b"", br#"{"artifactType":"application/vnd.sinter.note.v1"}"#] {
            assert_eq!(Note::read(other), None);
        }
    }
}
