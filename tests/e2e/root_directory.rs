//! What a step does to `/` itself is shown by everybody who shows the tree.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{Place, compile, run};

const BUILD: &str = r#"
let first = run {
  from   = tiny
  files  = src["mark"]
  script = sh """
    ./mark / user.note kept
    ./mark / system.posix_acl_access
    chown 7:8 /
    chmod 711 /
  """
}
let second = run {
  from   = first
  script = sh """
    stat -c '%a %u:%g' / > /seen
  """
}
target it = image {
  layers = [second]
  cmd    = ["stat", "-c", "%a %u:%g", "/"]
}
"#;

/// The access list of `mark.c` after `chmod 711`, which took rights from its mask and from others.
const ACCESS_LIST: &str = "0200000001000700ffffffff020005000900000004000500ffffffff10000100ffffffff20000100ffffffff";

/// Mode, owner, the attribute and the access list of a directory.
fn shown(path: &Path) -> (u32, u32, u32, String) {
    let found = std::fs::metadata(path).expect("a directory");
    let get = "import os, sys; have = os.listxattr(sys.argv[1]); \
        get = lambda name: os.getxattr(sys.argv[1], name) if name in have else b''; \
        print(get('user.note').decode(), get('system.posix_acl_access').hex())";
    let mut python = Command::new("python3");
    python.args(["-c", get]).arg(path);
    (found.mode() & 0o7777, found.uid(), found.gid(), run(python).stdout.trim().to_owned())
}

#[test]
fn root_is_shown_as_a_step_left_it() {
    let place = Place::tiny(BUILD);
    compile(&place, "mark", include_str!("mark.c"));
    place.build(&["-o", "dir:tree", "-o", "oci:image"]);
    assert_eq!(place.read("tree/seen"), "711 7:8\n", "the next step");
    let expected = (0o711, 7, 8, format!("kept {ACCESS_LIST}"));
    assert_eq!(shown(&place.project().join("tree")), expected, "dir:");
    run(place.program("umoci", &["unpack", "--image", "image:it", "bundle"])).succeeds();
    assert_eq!(shown(&place.project().join("bundle/rootfs")), expected, "umoci");
    assert_eq!(run(place.container("sinter-root")).succeeds().stdout.trim(), "711 7:8", "crun");
    let storage = ["--root", "containers", "--runroot", "run", "--storage-driver", "vfs"];
    let podman = |arguments: &[&str]| run(place.program("podman", &[&storage[..], arguments].concat()));
    let loaded = podman(&["pull", "oci:image:it"]).succeeds().stdout.trim().to_owned();
    let mounted = podman(&["image", "mount", &loaded]).succeeds().stdout.trim().to_owned();
    let shown_by_podman = shown(Path::new(&mounted));
    podman(&["image", "umount", &loaded]).succeeds();
    // Its driver copies no access list from one layer to the next, be it of `/` or of another directory.
    assert_eq!(shown_by_podman, (0o711, 7, 8, "kept".to_owned()), "podman");
}
