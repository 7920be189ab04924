//! Installs the Debian packages that the tests need and that are missing.

use crate::process::{Failure, Task};

/// A Debian package and what it is needed for.
struct Needed {
    package: &'static str,
    reason: &'static str,
}

const fn needed(package: &'static str, reason: &'static str) -> Needed {
    Needed { package, reason }
}

const NEEDED: &[Needed] = &[
    needed("gcc", "links the program"),
    needed("libc6-dev", "links the program"),
    needed("make", "build scripts of C libraries"),
    needed("git", "work trees, and the comparison with `git ls-files`"),
    needed("ca-certificates", "mirrors over TLS"),
    needed("debian-archive-keyring", "signatures of package indexes"),
    needed("gpg", "test mirrors sign their own indexes"),
    needed("apt", "the machine's mirrors; the comparison with apt's closures"),
    needed("dpkg-dev", "test packages, `dpkg --compare-versions`"),
    needed("bash", "scripts with the tag bash"),
    needed("dash", "scripts with the tag sh"),
    needed("python3", "scripts with the tag python"),
    needed("tar", "comparison of archives"),
    needed("util-linux", "unshare: tests without a network"),
    needed("uidmap", "ranges of user ids without root"),
    needed("skopeo", "reads images"),
    needed("umoci", "unpacks images"),
    needed("crun", "runs images"),
    needed("podman", "loads images"),
    needed("buildah", "builds on images"),
    needed("strace", "stops builds at the calls that make something visible"),
    needed("docker-registry", "a registry to pull from and push to"),
    needed("apache2-utils", "htpasswd: a registry with passwords"),
    needed("openssl", "certificates and tokens of test registries"),
    needed("mmdebstrap", "the peer of a first build"),
];

/// Installs what is missing, as root or with sudo.
pub(crate) fn setup() -> Result<(), Failure> {
    let missing = missing_packages();
    if missing.is_empty() {
        return Ok(());
    }
    for needed in &missing {
        eprintln!("missing: {} ({})", needed.package, needed.reason);
    }
    let names: Vec<&'static str> = missing.iter().map(|needed| needed.package).collect();
    apt_get(&["update"], &names)?;
    apt_get(&[&["install", "--yes", "--no-install-recommends"], &names[..]].concat(), &names)
}

fn missing_packages() -> Vec<&'static Needed> {
    // The status of all packages in one call: a call for each would take longer than the rest of this command.
    let installed = Task::new("dpkg-query", ["--show", "--showformat", "${binary:Package} ${db:Status-Status}\n"])
        .output()
        .unwrap_or_default();
    let is_installed = |package: &str| {
        installed
            .lines()
            .filter_map(|line| line.split_once(' '))
            .any(|(name, status)| status == "installed" && name.split(':').next() == Some(package))
    };
    NEEDED.iter().filter(|needed| !is_installed(needed.package)).collect()
}

fn apt_get(arguments: &[&str], missing: &[&'static str]) -> Result<(), Failure> {
    let options = ["--quiet", "--quiet", "--option", "Acquire::Retries=3", "--option", "Dpkg::Use-Pty=0"];
    let as_root = if is_root() {
        Task::new("apt-get", options)
    } else if Task::new("sudo", ["--non-interactive", "true"]).succeeds() {
        Task::new("sudo", ["--non-interactive", "--preserve-env=DEBIAN_FRONTEND", "apt-get"]).args(options)
    } else {
        return Err(Failure::Packages { missing: missing.to_vec() });
    };
    as_root.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").run()
}

fn is_root() -> bool {
    Task::new("id", ["--user"]).output().is_ok_and(|text| text.trim() == "0")
}
