//! Results are believed only as long as their bytes are there: whatever the store loses, the next build makes again.

use std::path::{Path, PathBuf};

use crate::support::{Built, Place, copy_store};

/// Three steps, one of them on files of another; a store of the test's own.
fn place() -> Place {
    let place = Place::tiny(
        r#"
let made = run {
  from   = tiny
  files  = src["data"]
  keep   = ["made"]
  script = sh """
    cat data > made
  """
}
let counted = run {
  from   = tiny
  files  = made["made"]
  keep   = ["count"]
  script = sh """
    wc -c made > count
  """
}
target it = image {
  layers = [tiny, made, counted]
  cmd    = ["cat", "count"]
}
"#,
    );
    place.write("data", "some words\n");
    let own = place.root().join("store");
    copy_store(place.store(), &own);
    place.with_store(&own)
}

/// The objects in one part of a store, sorted.
fn objects(store: &Path, part: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(store.join(part)).expect("a part").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn delete(path: &Path) {
    let deleted = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    deleted.unwrap_or_else(|error| panic!("cannot delete {}: {error}", path.display()));
}

#[test]
fn every_deleted_object_is_made_again() {
    let place = place();
    let built = place.build(&["-o", "oci:image"]);
    let parts = ["layers", "manifests", "records/definition", "records/content", "records/stack", "records/layer"];
    let mut lost: Vec<PathBuf> = parts.iter().flat_map(|part| objects(place.store(), part)).collect();
    // Packages can be fetched again, but not in every test: what else is a blob is small.
    lost.extend(
        objects(place.store(), "blobs")
            .into_iter()
            .filter(|blob| std::fs::metadata(blob).is_ok_and(|blob| blob.len() < 4096)),
    );
    assert!(lost.len() > 12, "{lost:?}");
    for path in lost {
        // What counted on something that was lost before may be forgotten already.
        if !path.exists() {
            continue;
        }
        delete(&path);
        let again = Built::of(&place.sinter(&["build", "-o", "oci:image"]));
        assert_eq!(again.digest, built.digest, "without {}", path.display());
    }
}

#[test]
fn damaged_layer_is_made_again_in_the_same_build() {
    let place = place();
    let built = place.build(&[]);
    let made = objects(place.store(), "layers").into_iter().map(|layer| layer.join("fs/app/made"));
    let made: Vec<PathBuf> = made.filter(|file| file.exists()).collect();
    assert_eq!(made.len(), 2, "the layer of `made`, and what `counted` saw of it");
    made.iter().for_each(|file| std::fs::write(file, "other words").expect("a damaged file"));
    let again = place.sinter(&["build", "--progress", "plain", "-o", "oci:image"]);
    assert!(again.stderr.contains("starting over: "), "{}", again.stderr);
    let again = Built::of(&again);
    assert_eq!((again.digest, again.ran), (built.digest, 1));
}

#[test]
fn second_result_of_one_key_is_reported() {
    let place = Place::tiny(
        r#"
target it = run {
  from   = tiny
  script = sh """
    cat /proc/sys/kernel/random/uuid > random
  """
}
"#,
    );
    let own = place.root().join("store");
    copy_store(place.store(), &own);
    let place = place.with_store(&own);
    let before = objects(place.store(), "layers");
    let built = place.build(&[]);
    let new = objects(place.store(), "layers").into_iter().filter(|layer| !before.contains(layer));
    new.for_each(|layer| delete(&layer));
    let again = place.sinter(&["build", "--progress", "plain", "-o", "dir:out"]);
    assert!(again.stderr.contains("not reproducible: it"), "{}", again.stderr);
    assert_ne!(Built::of(&again).digest, built.digest);
}
