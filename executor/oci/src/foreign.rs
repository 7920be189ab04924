//! Images that others made: what their documents say.
//!
//! Format: OCI image-spec v1.1 (`image-index.md`, `manifest.md`, `config.md`) and docker's manifest list, manifest (v2,
//! schema 2) and configuration, which differ in the names of media types only. Documents come from registries and files, so
//! everything is checked: their bytes against the digests by which they are named, here what they say.
//!
//! Must not know: where documents come from.

use std::collections::BTreeMap;

use serde_json::Value;
use sinter_graph::ErrorClass;
use sinter_graph::config::{Configuration, Healthcheck};
use sinter_graph::digest::BlobDigest;
use sinter_graph::platform::Platform;

use crate::descriptor::{LayerDescriptor, LayerMediaType};

/// More layers than any runtime can mount.
const MOST_LAYERS: usize = 1000;
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// A document that is no image, or none that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForeignImageError {
    /// It breaks the format.
    #[error("it is no image: {0}")]
    Form(String),
    /// It is something else that registries hold.
    #[error("it is no image but {0}")]
    Other(String),
    /// Nothing in it is for this platform.
    #[error("it has nothing for {wanted}; it has {offered}")]
    NoPlatform {
        /// The platform.
        wanted: Platform,
        /// What there is.
        offered: String,
    },
}

impl ForeignImageError {
    /// Whose fault it is.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Form(_) => ErrorClass::Environment,
            // Another image was meant.
            Self::Other(_) | Self::NoPlatform { .. } => ErrorClass::User,
        }
    }
}

fn form(reason: impl Into<String>) -> ForeignImageError {
    ForeignImageError::Form(reason.into())
}

/// What a reference may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageDocument {
    /// One image for several platforms each.
    Index(Vec<IndexEntry>),
    /// One image.
    Manifest(ImageManifest),
}

/// A document, named by another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// SHA-256 of its bytes.
    pub digest: BlobDigest,
    /// How many they are.
    pub size: u64,
}

/// One image of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// Its manifest.
    pub manifest: Named,
    /// What it is for.
    pub platform: Platform,
}

/// What an image is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageManifest {
    /// Its configuration.
    pub config: Named,
    /// Its layers, the bottom one first: media type and blob.
    pub layers: Vec<(LayerMediaType, Named)>,
}

impl ImageDocument {
    /// Reads a document.
    ///
    /// # Errors
    /// If it is none, or that of something else.
    pub fn read(bytes: &[u8]) -> Result<Self, ForeignImageError> {
        let document: Value = serde_json::from_slice(bytes).map_err(|error| form(error.to_string()))?;
        let said = document["mediaType"].as_str();
        match document["schemaVersion"].as_u64() {
            Some(2) => {}
            Some(1) => {
                return Err(ForeignImageError::Other("a manifest of schema 1, which docker gave up in 2017".into()));
            }
            _ => return Err(form("its schemaVersion is not 2")),
        }
        match said {
            Some(OCI_INDEX | DOCKER_INDEX) => index(&document).map(Self::Index),
            Some(OCI_MANIFEST | DOCKER_MANIFEST) => manifest(&document).map(Self::Manifest),
            Some(other) => Err(ForeignImageError::Other(format!("a document of type {}", other.escape_debug()))),
            // OCI does not ask for the type.
            None if document["manifests"].is_array() => index(&document).map(Self::Index),
            None => manifest(&document).map(Self::Manifest),
        }
    }
}

fn index(document: &Value) -> Result<Vec<IndexEntry>, ForeignImageError> {
    let listed = document["manifests"].as_array().ok_or_else(|| form("its list of manifests is missing"))?;
    let mut entries = Vec::new();
    for item in listed {
        let manifest = named(item)?;
        let platform = &item["platform"];
        let text = |name: &str| platform[name].as_str().unwrap_or_default();
        let (os, architecture) = (text("os"), text("architecture"));
        // What belongs to an image without being one, a signature or a list of parts, is for no platform.
        if os.is_empty() || os == "unknown" || architecture == "unknown" {
            continue;
        }
        let variant = Some(text("variant")).filter(|variant| !variant.is_empty());
        let whole = variant.map_or(format!("{os}/{architecture}"), |variant| format!("{os}/{architecture}/{variant}"));
        // A platform that we cannot spell is none that we are asked for.
        entries.extend(whole.parse().ok().map(|platform| IndexEntry { manifest, platform }));
    }
    Ok(entries)
}

fn manifest(document: &Value) -> Result<ImageManifest, ForeignImageError> {
    let config_type = document["config"]["mediaType"].as_str().unwrap_or_default();
    if !matches!(config_type, OCI_CONFIG | DOCKER_CONFIG) {
        let what = document["artifactType"].as_str().unwrap_or(config_type);
        return Err(ForeignImageError::Other(format!("something of type {}", what.escape_debug())));
    }
    let listed = document["layers"].as_array().ok_or_else(|| form("its list of layers is missing"))?;
    if listed.len() > MOST_LAYERS {
        return Err(form(format!("it has {} layers, and nothing mounts more than {MOST_LAYERS}", listed.len())));
    }
    let layers = listed.iter().map(|item| {
        let media_type = item["mediaType"].as_str().unwrap_or_default();
        let known: LayerMediaType = media_type.parse().map_err(|_| layer_of(media_type))?;
        Ok((known, named(item)?))
    });
    Ok(ImageManifest { config: named(&document["config"])?, layers: layers.collect::<Result<_, ForeignImageError>>()? })
}

/// Why a layer cannot be used.
fn layer_of(media_type: &str) -> ForeignImageError {
    if media_type.contains("encrypted") {
        return ForeignImageError::Other("an encrypted one, for which there is no key here".to_owned());
    }
    if media_type.contains("foreign") || media_type.contains("nondistributable") {
        return ForeignImageError::Other(
            "one whose layers may not be passed on (a Windows base, for instance)".to_owned(),
        );
    }
    form(format!("it has a layer of type `{}`", media_type.escape_debug()))
}

fn named(item: &Value) -> Result<Named, ForeignImageError> {
    let digest = item["digest"].as_str().unwrap_or_default();
    let digest = digest.parse().map_err(|_| form(format!("it names something by `{}`", digest.escape_debug())))?;
    let size = item["size"].as_u64().ok_or_else(|| form(format!("it does not say how long {digest} is")))?;
    Ok(Named { digest, size })
}

/// The image for a platform, or one whose programs run there: of arm the highest variant that is not above.
///
/// # Errors
/// If there is none.
pub fn choose<'a>(entries: &'a [IndexEntry], wanted: &Platform) -> Result<&'a IndexEntry, ForeignImageError> {
    // Of equal ones the first counts, as everywhere.
    let fitting = entries.iter().rev().filter_map(|entry| Some((rank(&entry.platform, wanted)?, entry)));
    let best = fitting.max_by_key(|(rank, _)| *rank);
    let offered = || {
        let names: Vec<String> = entries.iter().map(|entry| entry.platform.to_string()).collect();
        if names.is_empty() { "nothing for any platform".to_owned() } else { names.join(", ") }
    };
    best.map(|(_, entry)| entry)
        .ok_or_else(|| ForeignImageError::NoPlatform { wanted: wanted.clone(), offered: offered() })
}

/// How well an image fits; `None` if it does not run.
fn rank(offered: &Platform, wanted: &Platform) -> Option<u32> {
    if (offered.os(), offered.architecture()) != (wanted.os(), wanted.architecture()) {
        return None;
    }
    let number = |platform: &Platform| -> Option<u32> {
        // What `arm` and `amd64` mean alone (containerd, "Normalize").
        let default = if platform.architecture() == "arm" { "v7" } else { "v1" };
        platform.variant().unwrap_or(default).strip_prefix('v')?.parse().ok()
    };
    match (number(offered), number(wanted)) {
        (Some(offered), Some(wanted)) => (offered <= wanted).then_some(offered),
        _ => (offered.variant() == wanted.variant()).then_some(0),
    }
}

/// An image with its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignImage {
    /// SHA-256 of its manifest.
    pub manifest: BlobDigest,
    /// Its layers, the bottom one first.
    pub layers: Vec<LayerDescriptor>,
    /// What it says about running it.
    pub configuration: Configuration,
    /// What it is for.
    pub platform: Platform,
}

impl ForeignImage {
    /// Reads the configuration `config` of the image with this manifest.
    ///
    /// # Errors
    /// If it is none, or does not belong to the manifest.
    pub fn read(manifest: BlobDigest, parts: &ImageManifest, config: &[u8]) -> Result<Self, ForeignImageError> {
        let document: Value =
            serde_json::from_slice(config).map_err(|error| form(format!("configuration: {error}")))?;
        let listed = document["rootfs"]["diff_ids"].as_array().map(Vec::as_slice).unwrap_or_default();
        if listed.len() != parts.layers.len() {
            let (layers, ids) = (parts.layers.len(), listed.len());
            return Err(form(format!("it has {layers} layers, and its configuration tells of {ids}")));
        }
        let layers = parts.layers.iter().zip(listed).map(|((media_type, blob), diff_id)| {
            let diff_id = diff_id.as_str().and_then(|text| text.parse().ok());
            let diff_id = diff_id.ok_or_else(|| form("its configuration names a layer by something odd"))?;
            Ok(LayerDescriptor { media_type: *media_type, blob: blob.digest, size: blob.size, diff_id })
        });
        let layers = layers.collect::<Result<_, ForeignImageError>>()?;
        let text = |name: &str| document[name].as_str().filter(|text| !text.is_empty());
        let (os, architecture) = (text("os").unwrap_or("linux"), text("architecture").unwrap_or("amd64"));
        let whole = text("variant").map_or(format!("{os}/{architecture}"), |v| format!("{os}/{architecture}/{v}"));
        let platform = whole.parse().map_err(|_| form(format!("it is for `{}`", whole.escape_debug())))?;
        Ok(Self { manifest, layers, configuration: configuration(&document["config"])?, platform })
    }

    /// The chain that each layer ends: with the layers below it, a name of its content (`config.md`, "Layer ChainID").
    #[must_use]
    pub fn chains(&self) -> Vec<BlobDigest> {
        let mut chain: Option<BlobDigest> = None;
        let next = |layer: &LayerDescriptor| {
            let this = match chain {
                None => layer.diff_id,
                Some(below) => BlobDigest::of(format!("{below} {}", layer.diff_id).as_bytes()),
            };
            chain = Some(this);
            this
        };
        self.layers.iter().map(next).collect()
    }
}

/// The execution parameters (`config.md`, "config"; docker's `Healthcheck`).
fn configuration(config: &Value) -> Result<Configuration, ForeignImageError> {
    let text = |name: &str| config[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let texts = |name: &str| -> Vec<String> {
        config[name].as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let keys = |name: &str| -> Vec<String> {
        config[name].as_object().into_iter().flat_map(|object| object.keys().cloned()).collect()
    };
    let pair = |item: &String| item.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let workdir = text("WorkingDir").map(|path| {
        let absolute = if path.starts_with('/') { path.clone() } else { format!("/{path}") };
        sinter_graph::path::AbsolutePath::normalized(&absolute)
            .map_err(|_| form(format!("its working directory is `{}`", path.escape_debug())))
    });
    let labels = config["Labels"].as_object().into_iter().flatten();
    Ok(Configuration {
        env: texts("Env").iter().filter_map(pair).collect::<BTreeMap<_, _>>(),
        user: text("User"),
        workdir: workdir.transpose()?.filter(|workdir| !workdir.is_root()),
        entrypoint: texts("Entrypoint"),
        cmd: texts("Cmd"),
        expose: keys("ExposedPorts")
            .into_iter()
            .map(|port| if port.contains('/') { port } else { port + "/tcp" })
            .collect(),
        volumes: keys("Volumes"),
        labels: labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(),
        stop_signal: text("StopSignal"),
        healthcheck: healthcheck(&config["Healthcheck"]),
    })
}

fn healthcheck(document: &Value) -> Option<Healthcheck> {
    let words: Vec<String> =
        document["Test"].as_array()?.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect();
    let test = match words.split_first()? {
        (first, rest) if first == "CMD" => rest.to_vec(),
        (first, [line]) if first == "CMD-SHELL" => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
        _ => return None,
    };
    let number = |name: &str| document[name].as_u64().unwrap_or(0);
    Some(Healthcheck {
        test,
        interval_nanos: number("Interval"),
        timeout_nanos: number("Timeout"),
        start_period_nanos: number("StartPeriod"),
        retries: number("Retries"),
    })
}

#[cfg(test)]
#[path = "foreign_tests.rs"]
mod tests;
