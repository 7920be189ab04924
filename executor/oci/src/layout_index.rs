//! The file `index.json` of a layout (OCI image-spec v1.1, `image-index.md` and `image-layout.md`).
//!
//! It is edited as JSON, not through typed values, so that nothing another tool wrote about another image is lost.
//! An index that sinter created carries the annotation [`OURS`]; only then may blobs that nothing names be removed.

use std::collections::BTreeSet;

use oci_spec::image::{ANNOTATION_REF_NAME, MediaType};
use serde_json::{Map, Value, json};
use sinter_graph::digest::BlobDigest;

use crate::assemble::AssembledImage;
use crate::canonical::canonical_json;
use crate::descriptor::document;
use crate::error::OciError;
use crate::files::Directory;

/// The file that names the images of a layout.
pub(crate) const INDEX: &str = "index.json";

/// The annotation of an index in a directory that sinter created.
pub(crate) const OURS: &str = "sinter.layout";

/// The version of the layout (OCI image-spec v1.1, `image-layout.md`, "oci-layout file").
pub(crate) const VERSION: &str = "1.0.0";

/// The bytes of the file `oci-layout`.
pub(crate) fn marker() -> Vec<u8> {
    canonical_json(&json!({ "imageLayoutVersion": VERSION }))
}

/// Deeper nesting of indexes than this is not followed.
const NESTING_LIMIT: usize = 8;

/// An index: a JSON object with a list `manifests`.
pub(crate) struct LayoutIndex(Map<String, Value>);

impl LayoutIndex {
    /// The index of a layout that sinter creates.
    pub(crate) fn new() -> Self {
        let mut index = Map::new();
        index.insert("annotations".to_owned(), json!({ OURS: "1" }));
        index.insert("manifests".to_owned(), json!([]));
        index.insert("mediaType".to_owned(), MediaType::ImageIndex.to_string().into());
        index.insert("schemaVersion".to_owned(), 2.into());
        Self(index)
    }

    /// Reads the index of a layout; `None` if there is no such file.
    pub(crate) fn read(directory: &Directory) -> Result<Option<Self>, OciError> {
        let bad = |reason: &str| OciError::BadIndex { file: directory.path().join(INDEX), reason: reason.to_owned() };
        let Some(bytes) = directory.read_document(INDEX)? else { return Ok(None) };
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| bad(&error.to_string()))?;
        match value {
            Value::Object(index) if index.get("manifests").is_some_and(Value::is_array) => Ok(Some(Self(index))),
            _ => Err(bad("it has no list `manifests`")),
        }
    }

    /// The canonical bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        canonical_json(&Value::Object(self.0.clone()))
    }

    /// Whether sinter created the layout, so that blobs nothing names are leftovers of earlier builds.
    pub(crate) fn is_ours(&self) -> bool {
        self.0.get("annotations").and_then(|annotations| annotations.get(OURS)).is_some()
    }

    /// Whether exactly one entry has this name, and it names the image.
    pub(crate) fn names(&self, name: &str, image: &AssembledImage) -> bool {
        let mut named = self.manifests().iter().filter(|entry| reference(entry) == Some(name));
        named.next().is_some_and(|entry| *entry == entry_of(name, image)) && named.next().is_none()
    }

    /// Gives the name to the image; other names stay. Entries are sorted by name, so the order of builds is not seen.
    pub(crate) fn set(&mut self, name: &str, image: &AssembledImage) {
        let Some(Value::Array(entries)) = self.0.get_mut("manifests") else { return };
        entries.retain(|entry| reference(entry) != Some(name));
        entries.push(entry_of(name, image));
        entries.sort_by_key(|entry| reference(entry).map(str::to_owned));
    }

    /// The digests of all blobs that the index reaches, read from `blobs`, the directory of SHA-256 blobs. `None` if
    /// something on the way cannot be read or understood: then nothing may be called unreachable.
    pub(crate) fn reachable(&self, blobs: &Directory) -> Option<BTreeSet<BlobDigest>> {
        let mut found = BTreeSet::new();
        self.manifests().iter().try_for_each(|entry| reach(entry, blobs, NESTING_LIMIT, &mut found))?;
        Some(found)
    }

    fn manifests(&self) -> &[Value] {
        self.0.get("manifests").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

fn entry_of(name: &str, image: &AssembledImage) -> Value {
    let mut entry = document(MediaType::ImageManifest.as_ref(), image.manifest_digest, image.manifest.len() as u64);
    entry["annotations"] = json!({ ANNOTATION_REF_NAME: name });
    entry
}

fn reference(entry: &Value) -> Option<&str> {
    entry.get("annotations")?.get(ANNOTATION_REF_NAME)?.as_str()
}

fn digest_of(descriptor: &Value) -> Option<BlobDigest> {
    descriptor.get("digest")?.as_str()?.parse().ok()
}

fn reach(entry: &Value, blobs: &Directory, depth: usize, found: &mut BTreeSet<BlobDigest>) -> Option<()> {
    let digest = digest_of(entry)?;
    if !found.insert(digest) {
        return Some(());
    }
    let depth = depth.checked_sub(1)?;
    let bytes = blobs.read_document(&digest.hex()).ok()??;
    let document: Value = serde_json::from_slice(&bytes).ok()?;
    for leaf in document.get("config").into_iter().chain(list(&document, "layers")) {
        found.insert(digest_of(leaf)?);
    }
    list(&document, "manifests").iter().try_for_each(|nested| reach(nested, blobs, depth, found))
}

fn list<'a>(document: &'a Value, name: &str) -> &'a [Value] {
    document.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
