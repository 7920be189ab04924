//! Documents of others, honest and hostile.

use serde_json::json;

use super::*;

fn digest(text: &str) -> String {
    BlobDigest::of(text.as_bytes()).to_string()
}

fn entry(name: &str, platform: &Value) -> Value {
    json!({ "mediaType": OCI_MANIFEST, "digest": digest(name), "size": 7, "platform": platform })
}

fn read(document: &Value) -> Result<ImageDocument, ForeignImageError> {
    ImageDocument::read(document.to_string().as_bytes())
}

fn platforms(texts: &[&str]) -> Vec<IndexEntry> {
    let manifest = |text: &str| Named { digest: BlobDigest::of(text.as_bytes()), size: 1 };
    texts
        .iter()
        .map(|text| IndexEntry { manifest: manifest(text), platform: text.parse().expect("a platform") })
        .collect()
}

#[test]
fn indexes_list_what_is_for_a_platform() {
    for media_type in [Some(OCI_INDEX), Some(DOCKER_INDEX), None] {
        let mut document = json!({ "schemaVersion": 2, "manifests": [
            entry("a", &json!({ "os": "linux", "architecture": "amd64" })),
            entry("b", &json!({ "os": "linux", "architecture": "arm64", "variant": "v8" })),
            entry("c", &json!({ "os": "unknown", "architecture": "unknown" })),
            entry("d", &Value::Null),
            entry("e", &json!({ "os": "linux", "architecture": "../x" })),
        ]});
        if let Some(media_type) = media_type {
            document["mediaType"] = media_type.into();
        }
        let Ok(ImageDocument::Index(entries)) = read(&document) else { panic!("{document}") };
        let shown: Vec<String> = entries.iter().map(|entry| entry.platform.to_string()).collect();
        assert_eq!(shown, ["linux/amd64", "linux/arm64"]);
    }
}

#[test]
fn the_variant_that_fits_best_is_chosen() {
    let offered =
        platforms(&["linux/arm/v5", "linux/arm/v7", "linux/arm/v6", "linux/amd64", "linux/amd64/v3", "linux/arm64"]);
    for (wanted, expected) in [
        ("linux/arm/v7", Some("linux/arm/v7")),
        ("linux/arm", Some("linux/arm/v7")),
        ("linux/arm/v6", Some("linux/arm/v6")),
        ("linux/amd64", Some("linux/amd64")),
        ("linux/amd64/v2", Some("linux/amd64")),
        ("linux/amd64/v4", Some("linux/amd64/v3")),
        ("linux/arm64/v8", Some("linux/arm64")),
        ("linux/s390x", None),
        ("windows/amd64", None),
    ] {
        let chosen = choose(&offered, &wanted.parse().expect("a platform"));
        assert_eq!(chosen.as_ref().map(|entry| entry.platform.to_string()).ok().as_deref(), expected, "{wanted}");
    }
    let error = choose(&offered, &"linux/s390x".parse().expect("a platform")).expect_err("none").to_string();
    assert!(error.contains("nothing for linux/s390x; it has linux/arm/v5, linux/arm/v7"), "{error}");
}

fn image_manifest(layers: &[Value]) -> Value {
    json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": layers,
        "config": { "mediaType": OCI_CONFIG, "digest": digest("config"), "size": 6 } })
}

fn layer(media_type: &str) -> Value {
    json!({ "mediaType": media_type, "digest": digest("layer"), "size": 5 })
}

#[test]
fn what_is_no_image_is_named() {
    let gzip = LayerMediaType::TarGzip.as_str();
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut document = image_manifest(&[layer(gzip)]);
        edit(&mut document);
        read(&document).expect_err("refused").to_string()
    };
    type Edit<'a> = &'a dyn Fn(&mut Value);
    let cases: [(Edit<'_>, &str); 12] = [
        (&|document| document["schemaVersion"] = 1.into(), "schema 1"),
        (&|document| document["schemaVersion"] = Value::Null, "schemaVersion"),
        (&|document| document["mediaType"] = "text/html".into(), "a document of type text/html"),
        (&|document| document["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json".into(), "helm"),
        (&|document| document["layers"] = Value::Null, "list of layers"),
        (&|document| document["layers"][0]["mediaType"] = "x".into(), "a layer of type `x`"),
        (&|document| document["layers"][0]["mediaType"] = format!("{gzip}+encrypted").into(), "encrypted"),
        (&|document| document["layers"][0]["digest"] = "sha256:../../x".into(), "names something by"),
        (&|document| document["layers"][0]["digest"] = "sha512:00".into(), "names something by"),
        (&|document| document["layers"][0]["size"] = (-1).into(), "how long"),
        (&|document| document["layers"] = vec![layer(gzip); 1001].into(), "1001 layers"),
        (&|document| document["config"] = Value::Null, "something of type"),
    ];
    for (edit, reason) in cases {
        let error = with(edit);
        assert!(error.contains(reason), "{reason}: {error}");
    }
    for bytes in [&b""[..], b"{", b"[]", b"\xff", &[b'['; 100_000]] {
        assert!(ImageDocument::read(bytes).is_err());
    }
}

#[test]
fn configurations_become_ours() {
    let ImageDocument::Manifest(parts) = read(&image_manifest(&[layer(LayerMediaType::Tar.as_str())])).expect("one")
    else {
        panic!("a manifest")
    };
    let manifest = BlobDigest::of(b"m");
    let config = json!({ "os": "linux", "architecture": "arm", "variant": "v7",
        "rootfs": { "type": "layers", "diff_ids": [digest("tar")] },
        "config": {
            "Env": ["PATH=/bin", "A=1=2", "odd"], "User": "node", "WorkingDir": "srv/app/", "Entrypoint": ["e"], "Cmd": null,
            "ExposedPorts": { "80": {}, "53/udp": {} }, "Volumes": { "/data": {} }, "Labels": { "a": "b" },
            "StopSignal": "SIGINT", "Healthcheck": { "Test": ["CMD-SHELL", "true || exit 1"], "Interval": 5 }
        }
    });
    let image = ForeignImage::read(manifest, &parts, config.to_string().as_bytes()).expect("an image");
    let found = &image.configuration;
    assert_eq!(
        found.env.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
        ["A=1=2", "PATH=/bin"]
    );
    assert_eq!(found.workdir.as_ref().map(|path| path.as_str()), Some("/srv/app"));
    assert_eq!(
        (found.expose.clone(), found.volumes.clone()),
        (vec!["53/udp".to_owned(), "80/tcp".to_owned()], vec!["/data".to_owned()])
    );
    assert_eq!(found.healthcheck.as_ref().map(|check| check.test.len()), Some(3));
    assert_eq!((image.platform.to_string().as_str(), image.layers.len()), ("linux/arm/v7", 1));
    assert_eq!(image.chains(), [image.layers[0].diff_id]);
    for (diff_ids, reason) in [(json!([]), "tells of 0"), (json!(["x"]), "something odd"), (json!("x"), "tells of 0")] {
        let mut broken = config.clone();
        broken["rootfs"]["diff_ids"] = diff_ids;
        let error = ForeignImage::read(manifest, &parts, broken.to_string().as_bytes()).expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}");
    }
}
