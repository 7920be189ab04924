//! A step that stands on another sees what the other's layer holds as an archive, and nothing else: made anew from that,
//! every layer gives the same keys and the same images.

use std::collections::BTreeSet;

use crate::support::{Built, Place, copy_store};

/// Everything a later step could see of an earlier one that an archive might not hold.
const BUILD: &str = r#"
let first = run {
  from   = tiny
  script = sh """
    mkdir -p deep/er gone replaced
    echo one > deep/er/file
    ln deep/er/file link
    ln -s deep/er soft
    truncate -s 1000000 holes
    mkfifo pipe
    chmod 2750 deep
    chown 7:8 deep/er/file
    touch -d 2001-02-03T04:05:06.789 old
    touch gone/file replaced/file
  """
}
let second = run {
  from   = first
  script = sh """
    stat -c '%N %F %a %u:%g %s %h %.9Y' . * */* */*/* > /tmp/seen
    rm -r gone
    rm -r replaced && mkdir replaced && touch replaced/other
    touch deep/er
    echo more >> link
    cp /tmp/seen seen
  """
}
let third = run {
  from   = second
  script = sh """
    stat -c '%N %F %a %u:%g %s %h %.9Y' . * */* */*/* > /tmp/seen
    cp /tmp/seen seen-again
  """
}
target it = image {
  layers = [third]
  cmd    = ["cat", "seen"]
}
"#;

fn built(place: &Place, reload: bool) -> (String, BTreeSet<String>) {
    let mut command = place.command(&["build", "-o", "oci:image"]);
    if reload {
        command.env("SINTER_RELOAD", "1");
    }
    let built = Built::of(&crate::support::run(command));
    assert_eq!(built.ran, 3);
    let keys = ["content", "definition", "layer"].map(|kind| place.store().join("records").join(kind));
    let keys = keys.iter().flat_map(|keys| std::fs::read_dir(keys).expect("records"));
    let keys = keys.map(|key| key.expect("a record").file_name().to_string_lossy().into_owned()).collect();
    (built.digest, keys)
}

#[test]
fn layers_made_anew_give_the_same_keys_and_images() {
    // Other tests go on writing to the shared store, and both builds have to begin with the same.
    let shared = Place::tiny(BUILD);
    let start = shared.root().join("start");
    copy_store(shared.store(), &start);
    let [direct, reloaded] = [false, true].map(|reload| {
        let place = Place::tiny(BUILD);
        let own = place.root().join("store");
        copy_store(&start, &own);
        built(&place.with_store(&own), reload)
    });
    assert_eq!(direct, reloaded);
}
