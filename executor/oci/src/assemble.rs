//! Makes the two documents of an image: its configuration and its manifest.
//!
//! Format: OCI image-spec v1.1, `config.md` and `manifest.md`; JSON in the canonical form of `canonical`. `history`
//! has one entry for each layer, because builders that add layers to an image of others count them, and all entries are
//! alike: step names would change the digest of an image whenever a name changes.

use oci_spec::image::MediaType;
use serde_json::{Map, Value, json};
use sinter_graph::config::{Configuration, DEFAULT_PATH, Healthcheck};
use sinter_graph::digest::BlobDigest;
use sinter_graph::platform::Platform;

use crate::canonical::canonical_json;
use crate::descriptor::{LayerDescriptor, document};

/// The creation time of every image: [`sinter_graph::EPOCH`] in RFC 3339.
pub const CREATED: &str = "1980-01-02T00:00:00Z";

/// What every layer's `history` entry says it was made by.
const CREATOR: &str = "sinter";

const _: () = assert!(sinter_graph::EPOCH == 315_619_200, "CREATED must be changed together with EPOCH");

/// The documents of one image for one platform. The manifest's digest is the image's digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssembledImage {
    /// The configuration document (`application/vnd.oci.image.config.v1+json`).
    pub config: Vec<u8>,
    /// SHA-256 of `config`.
    pub config_digest: BlobDigest,
    /// The manifest document (`application/vnd.oci.image.manifest.v1+json`).
    pub manifest: Vec<u8>,
    /// SHA-256 of `manifest`.
    pub manifest_digest: BlobDigest,
    /// The layers, bottom first, as the manifest lists them.
    pub layers: Vec<LayerDescriptor>,
}

/// Takes a complete configuration, the platform and the layers, bottom first, and gives the image's documents.
///
/// PATH and the working directory are always written out, with [`DEFAULT_PATH`] and the default working directory if
/// the configuration does not say; what is empty otherwise is left out. The health check is docker's extension of the
/// configuration (docker image specification v1.3, `Healthcheck`).
#[must_use]
pub fn assemble(configuration: &Configuration, platform: &Platform, layers: &[LayerDescriptor]) -> AssembledImage {
    let config = canonical_json(&config_document(configuration, platform, layers));
    let config_digest = BlobDigest::of(&config);
    let manifest = canonical_json(&manifest_document(&config, config_digest, layers));
    let manifest_digest = BlobDigest::of(&manifest);
    AssembledImage { config, config_digest, manifest, manifest_digest, layers: layers.to_vec() }
}

fn config_document(configuration: &Configuration, platform: &Platform, layers: &[LayerDescriptor]) -> Value {
    let diff_ids: Vec<String> = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
    let mut document = json!({
        "architecture": platform.architecture(),
        "config": execution_parameters(configuration),
        "created": CREATED,
        "os": platform.os(),
        "rootfs": { "diff_ids": diff_ids, "type": "layers" },
    });
    if !layers.is_empty() {
        document["history"] = layers.iter().map(|_| json!({ "created": CREATED, "created_by": CREATOR })).collect();
    }
    if let Some(variant) = platform.variant() {
        document["variant"] = variant.into();
    }
    document
}

fn execution_parameters(configuration: &Configuration) -> Value {
    let mut parameters = Map::new();
    parameters.insert("Env".to_owned(), environment(configuration).into());
    parameters.insert("WorkingDir".to_owned(), configuration.workdir().as_str().into());
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            parameters.insert(name.to_owned(), value);
        }
    };
    put("User", configuration.user.clone().map(Value::from));
    put("Entrypoint", non_empty(&configuration.entrypoint).map(|words| json!(words)));
    put("Cmd", non_empty(&configuration.cmd).map(|words| json!(words)));
    put("ExposedPorts", non_empty(&configuration.expose).map(set_object));
    put("Volumes", non_empty(&configuration.volumes).map(set_object));
    put("Labels", (!configuration.labels.is_empty()).then(|| json!(configuration.labels)));
    put("StopSignal", configuration.stop_signal.clone().map(Value::from));
    put("Healthcheck", configuration.healthcheck.as_ref().map(healthcheck));
    Value::Object(parameters)
}

fn non_empty(list: &[String]) -> Option<&[String]> {
    (!list.is_empty()).then_some(list)
}

/// `NAME=value`, sorted by name, PATH always among them.
fn environment(configuration: &Configuration) -> Vec<String> {
    let mut variables = configuration.env.clone();
    variables.entry("PATH".to_owned()).or_insert_with(|| DEFAULT_PATH.to_owned());
    variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// A set in the form of the specification: an object with empty objects as values.
fn set_object(items: &[String]) -> Value {
    Value::Object(items.iter().map(|item| (item.clone(), json!({}))).collect())
}

fn healthcheck(check: &Healthcheck) -> Value {
    let test: Vec<&str> = std::iter::once("CMD").chain(check.test.iter().map(String::as_str)).collect();
    let mut document = json!({ "Test": test });
    for (name, number) in [
        ("Interval", check.interval_nanos),
        ("Timeout", check.timeout_nanos),
        ("StartPeriod", check.start_period_nanos),
        ("Retries", check.retries),
    ] {
        if number != 0 {
            document[name] = number.into();
        }
    }
    document
}

fn manifest_document(config: &[u8], config_digest: BlobDigest, layers: &[LayerDescriptor]) -> Value {
    let layers: Vec<Value> = layers.iter().map(LayerDescriptor::document).collect();
    json!({
        "config": document(MediaType::ImageConfig.as_ref(), config_digest, config.len() as u64),
        "layers": layers,
        "mediaType": MediaType::ImageManifest.to_string(),
        "schemaVersion": 2,
    })
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
