//! The same work by programs that Debian has.

use std::path::Path;
use std::process::Command;

use crate::chain;
use crate::figures::{command, median, milliseconds, ratio, row, timed, times};

pub(crate) fn run(sinter: &Path) {
    root_filesystem(sinter);
    no_op(sinter);
}

/// A Debian system with gcc: ours from an empty store, and mmdebstrap's, downloads included, in turn.
fn root_filesystem(sinter: &Path) {
    let place = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(
        place.path().join("rootfs.build"),
        "import std.debian\ninput p = debian(\"bookworm\", [\"gcc\", \"libc6-dev\"])\ntarget rootfs = debian.rootfs(p)\n",
    )
    .expect("a project");
    let mut number = 0;
    let mut pairs: Vec<_> = (0..2)
        .map(|_| {
            number += 1;
            let store = place.path().join(format!("store-{number}"));
            let tree = place.path().join(format!("tree-{number}.tar"));
            let ours = timed(&mut command(sinter, place.path(), &store, &["build"])).0;
            let mut peer = Command::new("mmdebstrap");
            peer.args(["--variant=essential", "--include=gcc,libc6-dev", "bookworm"]).arg(&tree);
            (ours, timed(&mut peer).0)
        })
        .collect();
    pairs.sort();
    let (ours, theirs) = pairs[0];
    let peer = format!("mmdebstrap {}", milliseconds(theirs));
    row("Debian system with gcc, empty store, downloads included", &milliseconds(ours), &peer, &ratio(ours, theirs));
}

/// Ten steps that are all hits, against buildah with the same number of `RUN` lines in its cache.
fn no_op(sinter: &Path) {
    let place = tempfile::tempdir().expect("a temporary directory");
    let store = place.path().join("store");
    std::fs::write(place.path().join("chain.build"), chain::project(10, "no-op")).expect("a project");
    timed(&mut command(sinter, place.path(), &store, &["build", "-o", "oci:base"]));
    let mut text = String::from("FROM oci:base\n");
    (0..10).for_each(|step| text.push_str(&format!("RUN echo {step} > /x{step}\n")));
    std::fs::write(place.path().join("Dockerfile"), text).expect("a Dockerfile");
    let root = place.path().join("containers");
    let buildah = |_: ()| {
        let mut peer = Command::new("buildah");
        peer.current_dir(place.path()).arg("--root").arg(&root).arg("--runroot").arg(place.path().join("run"));
        peer.args(["--storage-driver", "overlay", "build", "--layers", "--isolation", "chroot", "-t", "peer", "."]);
        timed(&mut peer).0
    };
    buildah(());
    let theirs = median(&times(5, || buildah(())));
    let ours = median(&times(20, || timed(&mut command(sinter, place.path(), &store, &["build", "-o", "oci:base"])).0));
    let peer = format!("buildah {}", milliseconds(theirs));
    row("ten unchanged steps, up to date oci: directory", &milliseconds(ours), &peer, &ratio(ours, theirs));
}
