//! A full disk is named, wherever it is met, and ends in exit code 4.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Place, copy_store};

/// A file system of its own with so many MB.
struct Disk(PathBuf);

impl Disk {
    fn mount(place: &Place, megabytes: u64) -> Self {
        let path = place.root().join("disk");
        std::fs::create_dir(&path).expect("a mount point");
        let size = format!("size={megabytes}m");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(&path).status();
        assert!(status.expect("mount").success(), "tests run as root");
        Self(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn megabytes(directory: &Path) -> u64 {
    let output = Command::new("du").arg("-sm").arg(directory).output().expect("du");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
}

#[test]
fn step_that_fills_the_disk_names_it() {
    let place = Place::tiny(
        "let it = run { from = tiny, script = sh \"\"\"head -c 300000000 /dev/zero > /large\"\"\" }\ntarget out = it\n",
    );
    let disk = Disk::mount(&place, megabytes(place.store()) + 40);
    let store = disk.0.join("store");
    copy_store(place.store(), &store);
    let place = place.with_store(&store);
    // A step that fits: the store looks at the copied layers and notes that they are whole.
    let large = place.read("main.build");
    place.write("main.build", &large.replace("300000000", "1"));
    place.build(&[]);
    place.write("main.build", &large);
    let cause = format!("the likely cause: the disk that holds {} has no space left", store.display());
    place.sinter(&["build"]).fails(4, &["E0601", &cause, "--store"]);
}

#[test]
fn disk_that_fills_while_packages_come_is_named() {
    // In the packages, which have 12 MB, and at two places of what is unpacked.
    for size in [3, 20, 50] {
        let place = Place::tiny("target out = tiny\n");
        let disk = Disk::mount(&place, size);
        let store = disk.0.join("store");
        let place = place.with_store(&store);
        place.sinter(&["build"]).fails(4, &["o space left", &store.display().to_string()]);
    }
}
