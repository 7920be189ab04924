//! The layers of an assembled image, and where their blobs are.

use std::io::Write;

use sinter_graph::ErrorClass;
use sinter_graph::digest::LayerDigest;
use sinter_oci::{
    AssembledImage, ForeignImage, ForeignImageError, ImageDocument, LayerDescriptor, LayerError, LayerSource,
};
use sinter_store::StoreError;

use crate::context::Context;
use crate::error::BuildError;
use crate::record::ImageBlobs;

/// The store as the place where blobs of layers come from: our own are made of its files, those of pulled images are kept,
/// or fetched.
pub(crate) struct Layers<'a>(pub(crate) &'a Context);

impl LayerSource for Layers<'_> {
    fn write_layer(&self, layer: &LayerDescriptor, out: &mut dyn Write) -> Result<(), LayerError> {
        let failed = |error: StoreError| LayerError { class: error.class(), source: Box::new(error) };
        let store = &self.0.store;
        let own = LayerDigest::from_bytes(*layer.blob.as_bytes());
        if store.knows_layer(&own).map_err(failed)? {
            return store.write_layer(&own, out).map_err(failed);
        }
        let fetched = self.0.fetch_blob(&layer.blob);
        fetched.map_err(|error| LayerError { class: error.class(), source: Box::new(error) })?;
        let mut blob = store.verified_blob(&layer.blob).map_err(failed)?;
        let copied = std::io::copy(&mut blob, out);
        copied.map(drop).map_err(|error| LayerError { class: ErrorClass::Environment, source: Box::new(error) })
    }
}

/// The documents of an image that was assembled, with the layers that they name.
pub(crate) fn assembled(context: &Context, image: ImageBlobs) -> Result<AssembledImage, BuildError> {
    let (config, manifest) = (context.store.read_blob(&image.config)?, context.store.read_blob(&image.manifest)?);
    let damaged = |error: ForeignImageError| BuildError::Revoked { reason: format!("an image of the store: {error}") };
    let ImageDocument::Manifest(parts) = ImageDocument::read(&manifest).map_err(damaged)? else {
        return Err(damaged(ForeignImageError::Other("an index".to_owned())));
    };
    let layers = ForeignImage::read(image.manifest, &parts, &config).map_err(damaged)?.layers;
    Ok(AssembledImage { config, config_digest: image.config, manifest, manifest_digest: image.manifest, layers })
}
