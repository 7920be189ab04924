//! Pushing images to registries.
//!
//! Rules: what is there is not sent; what the registry has in another repository that this build knows is mounted; bytes
//! stream from the store, hashed as they go, without a copy on the disk; the manifest comes last, so that a push that
//! breaks off leaves nothing half. Must not know: how layers are made.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use sinter_graph::digest::LayerDigest;
use sinter_graph::image_reference::ImageReference;
use sinter_oci::registry::{RegistryError, Repository};
use sinter_oci::{AssembledImage, LayerDescriptor, side_by_side};

use crate::context::Context;
use crate::error::BuildError;
use crate::events::{Event, ImageProgress};
use crate::layer_bytes::LayerBytes;

/// How many layers go at once.
const PARALLEL: usize = 4;
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Puts an image under its reference; `false` if it is there.
///
/// # Errors
/// If the registry does not take it, or if a layer cannot be had.
pub(crate) fn push(context: &Context, reference: &ImageReference, image: &AssembledImage) -> Result<bool, BuildError> {
    let failed = |source| BuildError::Push { reference: reference.to_string(), source: Box::new(source) };
    let repository = context.registries.destination(reference).map_err(failed)?;
    let digest = image.manifest_digest.to_string();
    let what = reference.tag().map_or(digest.as_str(), |tag| tag);
    if repository.manifest_digest(what).map_err(failed)? == Some(image.manifest_digest) {
        return Ok(false);
    }
    Push { context, repository: &repository, reference, beside: context.repositories_beside(&repository) }
        .layers(image)?;
    let config = image.config.as_slice();
    repository.push_blob(image.config_digest, config.len() as u64, &[], &config).map_err(failed)?;
    repository.put_manifest(what, OCI_MANIFEST, &image.manifest).map_err(failed)?;
    Ok(true)
}

struct Push<'a> {
    context: &'a Context,
    repository: &'a Repository,
    reference: &'a ImageReference,
    beside: Vec<String>,
}

impl Push<'_> {
    fn layers(&self, image: &AssembledImage) -> Result<(), BuildError> {
        let mut seen = BTreeSet::new();
        let layers: Vec<LayerDescriptor> =
            image.layers.iter().copied().filter(|layer| seen.insert(layer.blob)).collect();
        let total_bytes = layers.iter().map(|layer| layer.size).sum();
        let done = AtomicU64::new(0);
        side_by_side(layers, PARALLEL, |layer, _| {
            self.layer(layer)?;
            let done_bytes = done.fetch_add(layer.size, Ordering::Relaxed) + layer.size;
            let progress = ImageProgress::Upload { image: self.reference.to_string(), done_bytes, total_bytes };
            self.context.listener.on(Event::Image(progress));
            Ok(())
        })
    }

    fn layer(&self, layer: &LayerDescriptor) -> Result<(), BuildError> {
        let beside: Vec<&str> = self.beside.iter().map(String::as_str).collect();
        let pushed = self.repository.push_blob(
            layer.blob,
            layer.size,
            &beside,
            &LayerBytes { context: self.context, blob: layer.blob },
        );
        let failed = |source: RegistryError| BuildError::Push {
            reference: self.reference.to_string(),
            source: Box::new(source),
        };
        pushed.map(drop).or_else(|error| {
            // A transfer breaks off too where the store finds that a layer is damaged: then that is made again.
            let own = LayerDigest::from_bytes(*layer.blob.as_bytes());
            if self.context.store.knows_layer(&own)? {
                self.context.verify([&own])?;
            }
            Err(failed(error))
        })
    }
}
