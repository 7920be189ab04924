//! Tests of `assemble`: golden documents, and agreement with the typed reading of the specification.

use std::collections::BTreeMap;

use oci_spec::image::{ImageConfiguration, ImageManifest};
use sinter_graph::config::{Configuration, Healthcheck};
use sinter_graph::digest::LayerDigest;

use super::*;

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn map(items: &[(&str, &str)]) -> BTreeMap<String, String> {
    items.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn platform(text: &str) -> Platform {
    text.parse().expect("a platform")
}

fn layers() -> Vec<LayerDescriptor> {
    [(1, 10), (2, 20)]
        .map(|(byte, size)| LayerDescriptor::uncompressed(LayerDigest::from_bytes([byte; 32]), size))
        .to_vec()
}

fn full_configuration() -> Configuration {
    Configuration {
        env: map(&[("PATH", "/opt/bin:/bin"), ("A", "1 \"2\""), ("Z", "")]),
        user: Some("web:web".to_owned()),
        workdir: Some("/srv".parse().expect("an absolute path")),
        entrypoint: strings(&["tini", "--"]),
        cmd: strings(&["serve"]),
        expose: strings(&["8080/tcp", "53/udp"]),
        volumes: strings(&["/data"]),
        labels: map(&[("b", "2"), ("a", "1")]),
        stop_signal: Some("SIGINT".to_owned()),
        healthcheck: Some(Healthcheck {
            test: strings(&["probe", "-q"]),
            interval_nanos: 5_000_000_000,
            retries: 3,
            ..Healthcheck::default()
        }),
    }
}

#[test]
fn full_configuration_has_golden_bytes() {
    let image = assemble(&full_configuration(), &platform("linux/arm/v7"), &layers());
    let (one, two) = ("01".repeat(32), "02".repeat(32));
    let config = [
        r#"{"architecture":"arm","config":{"Cmd":["serve"],"Entrypoint":["tini","--"],"#,
        r#""Env":["A=1 \"2\"","PATH=/opt/bin:/bin","Z="],"ExposedPorts":{"53/udp":{},"8080/tcp":{}},"#,
        r#""Healthcheck":{"Interval":5000000000,"Retries":3,"Test":["CMD","probe","-q"]},"Labels":{"a":"1","b":"2"},"#,
        r#""StopSignal":"SIGINT","User":"web:web","Volumes":{"/data":{}},"WorkingDir":"/srv"},"#,
        r#""created":"1980-01-02T00:00:00Z","history":["#,
        r#"{"created":"1980-01-02T00:00:00Z","created_by":"sinter"},"#,
        r#"{"created":"1980-01-02T00:00:00Z","created_by":"sinter"}],"os":"linux","rootfs":{"diff_ids":["#,
        &format!(r#""sha256:{one}","sha256:{two}"],"type":"layers"}},"variant":"v7"}}"#),
    ]
    .concat();
    assert_eq!(String::from_utf8_lossy(&image.config), config);
    let manifest = [
        r#"{"config":{"digest":""#,
        &image.config_digest.to_string(),
        &format!(r#"","mediaType":"application/vnd.oci.image.config.v1+json","size":{}}},"layers":["#, config.len()),
        &format!(r#"{{"digest":"sha256:{one}","mediaType":"application/vnd.oci.image.layer.v1.tar","size":10}},"#),
        &format!(r#"{{"digest":"sha256:{two}","mediaType":"application/vnd.oci.image.layer.v1.tar","size":20}}],"#),
        r#""mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}"#,
    ]
    .concat();
    assert_eq!(String::from_utf8_lossy(&image.manifest), manifest);
}

#[test]
fn empty_configuration_has_golden_bytes() {
    let image = assemble(&Configuration::default(), &platform("linux/amd64"), &[]);
    let config = [
        r#"{"architecture":"amd64","config":{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"#,
        r#""WorkingDir":"/app"},"created":"1980-01-02T00:00:00Z","os":"linux","#,
        r#""rootfs":{"diff_ids":[],"type":"layers"}}"#,
    ]
    .concat();
    assert_eq!(String::from_utf8_lossy(&image.config), config);
}

#[test]
fn digests_are_those_of_the_documents() {
    let image = assemble(&full_configuration(), &platform("linux/amd64"), &layers());
    assert_eq!(image.config_digest, BlobDigest::of(&image.config));
    assert_eq!(image.manifest_digest, BlobDigest::of(&image.manifest));
    assert_eq!(image.layers, layers());
}

#[test]
fn documents_read_back_as_the_specification_types() {
    let image = assemble(&full_configuration(), &platform("linux/amd64"), &layers());
    let manifest: ImageManifest = serde_json::from_slice(&image.manifest).expect("a manifest");
    assert_eq!(manifest.config().digest().to_string(), image.config_digest.to_string());
    assert_eq!(manifest.config().size(), image.config.len() as u64);
    let config: ImageConfiguration = serde_json::from_slice(&image.config).expect("a configuration");
    let diff_ids: Vec<String> = manifest.layers().iter().map(|layer| layer.digest().to_string()).collect();
    assert_eq!(config.rootfs().diff_ids(), &diff_ids);
    let parameters = config.config().as_ref().expect("execution parameters");
    assert_eq!(parameters.entrypoint(), &Some(strings(&["tini", "--"])));
    assert_eq!(parameters.exposed_ports().as_ref().map(Vec::len), Some(2));
    assert_eq!(parameters.stop_signal().as_deref(), Some("SIGINT"));
}

#[test]
fn every_field_changes_the_digest() {
    let base = full_configuration();
    let digest =
        |configuration: &Configuration| assemble(configuration, &platform("linux/amd64"), &layers()).manifest_digest;
    let changes: [fn(&mut Configuration); 10] = [
        |c| c.env.clear(),
        |c| c.user = None,
        |c| c.workdir = None,
        |c| c.entrypoint.clear(),
        |c| c.cmd.clear(),
        |c| c.expose.clear(),
        |c| c.volumes.clear(),
        |c| c.labels.clear(),
        |c| c.stop_signal = None,
        |c| c.healthcheck = None,
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut changed = base.clone();
        change(&mut changed);
        assert_ne!(digest(&changed), digest(&base), "field {index}");
    }
}
