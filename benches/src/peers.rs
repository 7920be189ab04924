//! The same work by programs that Debian has.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::chain::{Base, project};
use crate::figures::{command, duration, is_installed, median, ratio, row, timed, times};

/// Steps of the chain that both build.
const STEPS: u32 = 10;

pub(crate) fn run(sinter: &Path, place: &Path) {
    if is_installed("mmdebstrap") {
        root_filesystem(sinter, place);
    } else {
        row("mmdebstrap is not installed", "", "", "");
    }
    if is_installed("buildah") {
        chain(sinter, place);
    } else {
        row("buildah is not installed", "", "", "");
    }
}

/// A Debian system with gcc: ours from an empty store, then mmdebstrap's, downloads included.
fn root_filesystem(sinter: &Path, place: &Path) {
    let directory = place.join("rootfs");
    std::fs::create_dir_all(&directory).expect("a directory");
    let text = "import std.debian\ninput p = debian(\"bookworm\", [\"gcc\", \"libc6-dev\"])\ntarget rootfs = debian.rootfs(p)\n";
    std::fs::write(directory.join("rootfs.build"), text).expect("a project");
    let ours = timed(&mut command(sinter, &directory, &directory.join("store"), &["build"])).0;
    let mut peer = Command::new("mmdebstrap");
    peer.args(["--variant=essential", "--include=gcc,libc6-dev", "bookworm"]).arg(directory.join("tree.tar"));
    peer.args(apt_sources());
    let theirs = timed(&mut peer).0;
    let peer = format!("mmdebstrap {}", duration(theirs));
    row("Debian system with gcc, downloads included", &duration(ours), &peer, &ratio(ours, theirs));
}

/// The machine's own sources, so that both ask the same mirror.
fn apt_sources() -> Vec<PathBuf> {
    let listed = std::fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let is_source = |path: &PathBuf| path.extension().is_some_and(|end| end == "list" || end == "sources");
    let mut sources: Vec<PathBuf> = listed.filter(is_source).collect();
    sources.extend(Some(PathBuf::from("/etc/apt/sources.list")).filter(|path| path.is_file()));
    sources
}

/// Steps that all run, and the same steps when nothing has changed, against as many `RUN` lines in buildah.
fn chain(sinter: &Path, place: &Path) {
    let (directory, store) = (place.join("peer"), place.join("store"));
    std::fs::create_dir_all(&directory).expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).expect("a file");
    let build = |steps: u32, label: &str, output: &str| {
        write("chain.build", &project(Base::Small, steps, label));
        timed(&mut command(sinter, &directory, &store, &["build", "-o", output])).0
    };
    let ours = |label: &str| build(STEPS, label, "oci:image");
    let theirs = |label: &str| {
        write("Dockerfile", &dockerfile(label));
        timed(&mut buildah(&directory)).0
    };
    build(0, "base", "dir:base");
    theirs("peer");
    let fresh: Vec<_> = (0..3).map(|run| (ours(&format!("new-{run}")), theirs(&format!("new-{run}")))).collect();
    compare(&format!("{STEPS} trivial steps that all run, image written"), &fresh);
    let same: Vec<_> = (0..5).map(|_| (ours("new-2"), theirs("new-2"))).collect();
    compare(&format!("{STEPS} unchanged steps, image up to date"), &same);
}

fn compare(what: &str, pairs: &[(std::time::Duration, std::time::Duration)]) {
    let ours = median(&times(pairs.len(), |index| pairs[index].0));
    let theirs = median(&times(pairs.len(), |index| pairs[index].1));
    row(what, &duration(ours), &format!("buildah {}", duration(theirs)), &ratio(ours, theirs));
}

fn dockerfile(label: &str) -> String {
    let runs = (1..=STEPS).map(|step| format!("RUN echo {step} > /x{step}\n"));
    format!("FROM scratch\nCOPY base /\nENV LABEL={label}\n{}", runs.collect::<String>())
}

fn buildah(directory: &Path) -> Command {
    let mut command = Command::new("buildah");
    command.current_dir(directory).arg("--root").arg(directory.with_extension("containers"));
    command.arg("--runroot").arg(directory.with_extension("run")).args(["--storage-driver", "overlay"]);
    command.args(["build", "--layers", "--isolation", "chroot", "-t", "peer", "."]);
    command
}
