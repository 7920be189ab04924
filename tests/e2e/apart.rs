//! Steps on a machine that shares no disk with the builder give the same results.

use std::process::Command;

use crate::support::{Built, Place, c_server, run, share_packages};

/// Reads what is below, what is declared, and leaves every kind of entry.
const BUILD: &str = r#"
let first = run {
  from   = small
  files  = src["words"]
  script = sh """
    cat words > /data/file
    ln /data/file /data/name
    ln -s file /data/link
    rm -r /data/deep
    chmod 2750 /data
  """
}
let second = run {
  from   = first
  files  = [src["words"], first["/data/name"]]
  script = sh """
    cat words /data/link /data/name > /copy
    rm /data/name
  """
}
target it = image {
  layers = [second]
  cmd    = ["cat", "/copy"]
}
"#;

/// A builder whose steps run over a store of their own, with each layer made anew before it is mounted if `reload` says so.
fn apart(place: &Place, reload: bool) -> Command {
    let mut command = place.command(&["build", "-o", "oci:image"]);
    command.env("SINTER_RUNNER", "apart");
    if reload {
        command.env("SINTER_RELOAD", "1");
    }
    command
}

#[test]
fn steps_apart_give_the_same_image() {
    let build = |command: fn(&Place) -> Command| {
        let place = Place::small(BUILD);
        place.write("words", "some words\n");
        Built::of(&run(command(&place)))
    };
    let here = build(|place| place.command(&["build", "-o", "oci:image"]));
    assert_eq!(here.ran, 3);
    assert_eq!(build(|place| apart(place, false)), here);
    assert_eq!(build(|place| apart(place, true)), here);
}

#[test]
fn example_apart_gives_the_same_image() {
    let (source, built) = c_server();
    let place = Place::copy_of(source);
    share_packages(&place);
    let again = Built::of(&run(apart(&place, false)));
    assert!(again.ran > 0, "nothing ran, so nothing was shown");
    assert_eq!(again.digest, built.digest);
}
