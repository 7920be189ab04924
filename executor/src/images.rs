//! Images that others made: what a reference names, its documents, its blobs.
//!
//! Rules: documents and blobs are kept in the store under their digests, so that nothing is asked for twice and a locked
//! build asks nobody for what it has; everything is checked against the digest by which it was named. Must not know: how a
//! layer is unpacked, keys.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sinter_graph::digest::BlobDigest;
use sinter_graph::image_source::{ImageSource, LocalImage};
use sinter_graph::lock::PullPin;
use sinter_graph::platform::Platform;
use sinter_graph::{ErrorClass, FsError};
use sinter_oci::registry::{FetchError, Registries, RegistryError, Repository};
use sinter_oci::{
    ForeignImage, ForeignImageError, ImageDocument, IndexEntry, LayerDescriptor, LocalError, LocalImages, Named,
    choose, side_by_side,
};
use sinter_store::{Store, StoreError};

use crate::events::ImageProgress;

/// How many blobs are fetched at once.
const PARALLEL: usize = 4;
/// An index may hold an index, and that is all.
const DEEPEST: usize = 2;
/// No document is larger.
const LONGEST_DOCUMENT: u64 = 4 << 20;

/// Why an image cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The registry does not give it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The layout or archive does not give it.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// It is none, or none that can be used.
    #[error("{image}: {source}")]
    Image {
        /// The image.
        image: String,
        /// What is wrong.
        source: ForeignImageError,
    },
    /// Something that was pinned is nowhere any more.
    #[error("{image} is pinned as {digest}, which is not there any more: `sinter update` pins what is there now")]
    Lost {
        /// The image.
        image: String,
        /// What is missing.
        digest: BlobDigest,
    },
    /// It has to be fetched, and may not be.
    #[error("{image} is not in the store, and --offline forbids to fetch it")]
    Offline {
        /// The image.
        image: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A partial file cannot be written.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl ImageError {
    /// Whose fault it is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Registry(error) => error.class(),
            Self::Image { source, .. } => source.class(),
            Self::Local(LocalError::Read { .. }) | Self::Lost { .. } | Self::Offline { .. } => ErrorClass::Environment,
            Self::Local(_) => ErrorClass::User,
            Self::Store(error) => error.class(),
            Self::Fs(error) => error.class(),
        }
    }
}

/// An image for one platform, with what its documents say.
#[derive(Debug, Clone)]
pub(crate) struct Pulled {
    pub(crate) source: ImageSource,
    pub(crate) image: ForeignImage,
}

/// Images over one store.
pub(crate) struct Images<'a> {
    pub(crate) store: &'a Store,
    /// What paths are relative to.
    pub(crate) work_tree: &'a Path,
    pub(crate) registries: &'a Registries,
    pub(crate) offline: bool,
    pub(crate) progress: &'a (dyn Fn(ImageProgress) + Sync),
}

impl Images<'_> {
    /// What an image is now.
    ///
    /// # Errors
    /// If it cannot be had, or is none.
    pub(crate) fn resolve(&self, source: &ImageSource) -> Result<PullPin, ImageError> {
        let reference = match source {
            ImageSource::Registry(reference) => reference,
            ImageSource::Local(local) => {
                let root = self.local(local)?.root(local.name.as_deref())?;
                self.store.put_blob(&root.bytes)?;
                return self.pin(source, root.digest);
            }
        };
        if self.offline {
            return Err(ImageError::Offline { image: source.to_string() });
        }
        (self.progress)(ImageProgress::Resolving { image: source.to_string() });
        let what = reference.digest().map(|digest| digest.to_string());
        let what = what.as_deref().or(reference.tag()).unwrap_or_default();
        let mut last = RegistryError::Unknown { reference: source.to_string() };
        for repository in self.registries.sources(reference)? {
            // A mirror that fails is followed by the next place; what the last one says counts.
            last = match repository.manifest(what) {
                Ok(Some(document)) => {
                    self.store.put_blob(&document.bytes)?;
                    return self.pin(source, document.digest);
                }
                Ok(None) => RegistryError::Unknown { reference: source.to_string() },
                Err(error) => error,
            };
        }
        Err(last.into())
    }

    /// The pin that a digest means.
    ///
    /// # Errors
    /// If its documents cannot be had, or are those of no image.
    pub(crate) fn pin(&self, source: &ImageSource, digest: BlobDigest) -> Result<PullPin, ImageError> {
        let platforms = match self.document(source, digest)? {
            ImageDocument::Index(entries) => {
                // Of two for one platform the first counts.
                entries.into_iter().rev().map(|entry| (entry.platform, entry.manifest.digest)).collect()
            }
            ImageDocument::Manifest(_) => BTreeMap::from([(self.image(source, digest)?.platform, digest)]),
        };
        Ok(PullPin { digest, platforms })
    }

    /// The image that a pin means on a platform.
    ///
    /// # Errors
    /// If there is none, or if its documents cannot be had.
    pub(crate) fn pulled(
        &self,
        source: &ImageSource,
        pin: &PullPin,
        platform: &Platform,
    ) -> Result<Pulled, ImageError> {
        let entry = |(platform, digest): (&Platform, &BlobDigest)| IndexEntry {
            manifest: Named { digest: *digest, size: 0 },
            platform: platform.clone(),
        };
        let mut entries: Vec<IndexEntry> = pin.platforms.iter().map(entry).collect();
        for _ in 0..DEEPEST {
            let chosen = choose(&entries, platform).map_err(|error| wrong(source, error))?.manifest.digest;
            match self.document(source, chosen)? {
                ImageDocument::Index(nested) => entries = nested,
                ImageDocument::Manifest(_) => {
                    return Ok(Pulled { source: source.clone(), image: self.image(source, chosen)? });
                }
            }
        }
        Err(wrong(source, ForeignImageError::Form("its indexes are nested too deep".to_owned())))
    }

    fn image(&self, source: &ImageSource, manifest: BlobDigest) -> Result<ForeignImage, ImageError> {
        let ImageDocument::Manifest(parts) = self.document(source, manifest)? else {
            return Err(wrong(source, ForeignImageError::Form("an index where an image is expected".to_owned())));
        };
        let config = self.small(source, parts.config.digest, |origin, digest| origin.small_blob(digest))?;
        ForeignImage::read(manifest, &parts, &config).map_err(|error| wrong(source, error))
    }

    fn document(&self, source: &ImageSource, digest: BlobDigest) -> Result<ImageDocument, ImageError> {
        let bytes = self.small(source, digest, |origin, digest| origin.document(digest))?;
        ImageDocument::read(&bytes).map_err(|error| wrong(source, error))
    }

    /// Something small, from the store or else from where the image is.
    fn small(
        &self,
        source: &ImageSource,
        digest: BlobDigest,
        fetch: impl Fn(&Origin, &BlobDigest) -> Result<Option<Vec<u8>>, ImageError>,
    ) -> Result<Vec<u8>, ImageError> {
        if self.store.has_blob(&digest)? {
            return Ok(self.store.read_blob(&digest)?);
        }
        let mut failure = None;
        for origin in self.origins(source)? {
            // A mirror that fails, lacks it or has something else is followed by the next place.
            match fetch(&origin, &digest) {
                Ok(Some(bytes)) if BlobDigest::of(&bytes) == digest => {
                    self.store.put_blob(&bytes)?;
                    return Ok(bytes);
                }
                Ok(_) => {}
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| ImageError::Lost { image: source.to_string(), digest }))
    }

    /// Where an image may be had, the best place first.
    fn origins(&self, source: &ImageSource) -> Result<Vec<Origin>, ImageError> {
        match source {
            ImageSource::Local(local) => Ok(vec![Origin::Local(self.local(local)?, local.clone())]),
            ImageSource::Registry(_) if self.offline => Err(ImageError::Offline { image: source.to_string() }),
            ImageSource::Registry(reference) => {
                Ok(self.registries.sources(reference)?.into_iter().map(Origin::Registry).collect())
            }
        }
    }

    fn local(&self, local: &LocalImage) -> Result<LocalImages, ImageError> {
        Ok(LocalImages::open(local.form, &self.work_tree.join(&local.path))?)
    }

    /// Brings blobs of an image into the store, several at once.
    ///
    /// # Errors
    /// If one cannot be had.
    pub(crate) fn fetch(&self, source: &ImageSource, layers: &[LayerDescriptor]) -> Result<(), ImageError> {
        let mut missing: Vec<LayerDescriptor> = Vec::new();
        for layer in layers {
            if !missing.iter().any(|known| known.blob == layer.blob) && !self.store.has_blob(&layer.blob)? {
                missing.push(*layer);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let origins = self.origins(source)?;
        let parts = self.store.index_directory().join("pull");
        std::fs::create_dir_all(&parts).map_err(|error| FsError::new(&parts, "create", error))?;
        let total_bytes = missing.iter().map(|layer| layer.size).sum();
        let done = AtomicU64::new(0);
        let advance = |bytes: i64| {
            let before = done.fetch_add(bytes.cast_unsigned(), Ordering::Relaxed);
            let done_bytes = before.wrapping_add(bytes.cast_unsigned());
            (self.progress)(ImageProgress::Download { image: source.to_string(), done_bytes, total_bytes });
        };
        side_by_side(missing, PARALLEL, |layer, _| self.fetch_one(source, &origins, layer, &parts, &advance))
    }

    fn fetch_one(
        &self,
        source: &ImageSource,
        origins: &[Origin],
        layer: &LayerDescriptor,
        parts: &Path,
        advance: &dyn Fn(i64),
    ) -> Result<(), ImageError> {
        let part: PathBuf = parts.join(layer.blob.hex());
        let lock = part.with_extension("lock");
        let held = File::create(&lock).and_then(|file| file.lock().map(|()| file));
        let _held = held.map_err(|error| FsError::new(&lock, "lock", error))?;
        if self.store.has_blob(&layer.blob)? {
            // Another process brought it while this one waited.
            advance(i64::try_from(layer.size).unwrap_or(i64::MAX));
            return Ok(());
        }
        let mut last = None;
        for origin in origins {
            match origin.download(layer, &part, advance) {
                Ok(()) => {
                    self.store.adopt_blob(&part, layer.blob, layer.size)?;
                    let _ = std::fs::remove_file(&lock);
                    return Ok(());
                }
                Err(error) => last = Some(error),
            }
        }
        match last {
            Some(ImageError::Registry(RegistryError::Http(FetchError::Gone { .. }))) | None => {
                Err(ImageError::Lost { image: source.to_string(), digest: layer.blob })
            }
            Some(error) => Err(error),
        }
    }
}

fn wrong(source: &ImageSource, error: ForeignImageError) -> ImageError {
    ImageError::Image { image: source.to_string(), source: error }
}

/// A place where an image may be had.
enum Origin {
    Registry(Repository),
    Local(LocalImages, LocalImage),
}

impl Origin {
    fn document(&self, digest: &BlobDigest) -> Result<Option<Vec<u8>>, ImageError> {
        match self {
            Self::Registry(repository) => Ok(repository.manifest(&digest.to_string())?.map(|document| document.bytes)),
            // An archive of docker has no manifest but the one that is made of it.
            Self::Local(images, local) => match self.small_blob(digest)? {
                None => Ok(Some(images.root(local.name.as_deref())?)
                    .filter(|root| root.digest == *digest)
                    .map(|root| root.bytes)),
                found => Ok(found),
            },
        }
    }

    fn small_blob(&self, digest: &BlobDigest) -> Result<Option<Vec<u8>>, ImageError> {
        match self {
            Self::Registry(repository) => Ok(repository.small_blob(digest)?),
            Self::Local(images, local) => {
                let Some(blob) = images.blob(digest)? else { return Ok(None) };
                let mut bytes = Vec::new();
                let read = blob.take(LONGEST_DOCUMENT).read_to_end(&mut bytes);
                read.map_err(|error| FsError::new(Path::new(&local.path), "read", error))?;
                Ok(Some(bytes))
            }
        }
    }

    /// Writes a blob to `part`; who adopts it checks it.
    fn download(&self, layer: &LayerDescriptor, part: &Path, advance: &dyn Fn(i64)) -> Result<(), ImageError> {
        match self {
            Self::Registry(repository) => Ok(repository.download_blob(layer.blob, layer.size, part, advance)?),
            Self::Local(images, local) => {
                let lost = || ImageError::Lost { image: local.path.clone(), digest: layer.blob };
                let blob = images.blob(&layer.blob)?.ok_or_else(lost)?;
                let failed = |error| FsError::new(part, "write", error);
                let mut file = File::create(part).map_err(failed)?;
                // One byte more than it may have shows that it is too long.
                let copied = std::io::copy(&mut blob.take(layer.size.saturating_add(1)), &mut file).map_err(failed)?;
                advance(i64::try_from(copied).unwrap_or(i64::MAX));
                Ok(())
            }
        }
    }
}
