//! `debian.rootfs` gives what Debian's own tools would have given: consistent for dpkg and apt, equal to a bootstrap by
//! mmdebstrap, the same in every store.
//!
//! What differs by nature between two builds of one closure is what packages make at random when they are configured.
//! In bookworm, of the packages below, that is exactly [`RANDOM`]: the host keys of `openssh-server`, and the
//! certificate that `ssl-cert` (needed by `postgresql-common`) signs itself. Such a system has one digest in one store,
//! and another one in the next. Images should make keys when they start; until then a later step can delete them, or a
//! selection leave them out.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Built, Place, c_server, run, share_packages_of};

/// A small system with apt; `figlet` is there to be removed.
const SMALL: &str = r#"import std.debian
input packages = debian("bookworm", ["apt", "figlet"])
let system = debian.rootfs(packages)
"#;

/// Scripts that start services, make users, set owners, build databases, ask questions, divert files.
const DEMANDING: &str = r#"import std.debian
input packages = debian("bookworm", [
  "cron", "dbus", "exim4-daemon-light", "man-db", "nginx-light", "openssh-server", "postgresql-common", "redis-server"
])
let system = debian.rootfs(packages)
"#;

/// Patterns of the files that are random.
const RANDOM: [&str; 3] =
    ["/etc/ssh/ssh_host_*_key*", "/etc/ssl/certs/ssl-cert-snakeoil.pem", "/etc/ssl/private/ssl-cert-snakeoil.key"];

/// What every configured system is asked from inside.
const CONSISTENT: &str = r#"
let consistent = run {
  from    = system
  workdir = "/"
  script  = bash """
    silent() {
      output=$("$@" 2>&1) || true
      if [ -n "$output" ]; then echo "$*: $output"; exit 1; fi
    }
    silent dpkg --audit
    silent dpkg --verify
    silent sh -c 'dpkg-query --show --showformat "\${db:Status-Abbrev}\${Package}\n" | grep -v "^ii "'
    silent find / -xdev -path /sinter -prune -o '(' -name 'sinter*' -o -name tmp.ci -o -name policy-rc.d \
      -o -name '*.dpkg-new' -o -name '*.dpkg-tmp' -o -name '*.dpkg-dist' ')' -print
    silent find / -xdev -nouser -o -xdev -nogroup
    silent find /run -name '*.pid' -o -type s
    for link in bin sbin lib lib64; do
      test "$(readlink "/$link")" = "usr/$link"
    done
    cp /etc/ld.so.cache /tmp/cache
    ldconfig
    cmp /tmp/cache /etc/ld.so.cache
    ldconfig -p > /tmp/libraries
    grep -q 'libc\.so\.6 .*=> /lib/' /tmp/libraries
    test "$(stat -c '%a %U %G' /etc/passwd /etc/group /etc/shadow /etc/gshadow /root /var/tmp | tr '\n' ,)" = \
      "644 root root,644 root root,640 root shadow,640 root shadow,700 root root,1777 root root,"
    pwck --read-only --quiet
    grpck --read-only
  """
}
"#;

/// What apt says of the small system.
const KNOWN_TO_APT: &str = r#"
let known-to-apt = run {
  from    = consistent
  workdir = "/tmp"
  script  = bash """
    says() {
      grep -q -- "$1" output || { cat output; echo "no line $1"; exit 1; }
    }
    apt-get check
    { dpkg-query --show --showformat '${Essential} ${Package}\n' | sed -n 's/^yes //p'; echo apt; echo figlet; } |
      sort -u > asked
    diff asked <(apt-mark showmanual | sort)
    apt-get --simulate autoremove > output
    says '^0 upgraded, 0 newly installed, 0 to remove'
    apt-get --simulate remove figlet > output
    says '^Remv figlet'
    says '^0 upgraded, 0 newly installed, 1 to remove'
    apt-get --simulate install figlet > output
    says 'figlet is already the newest version'
    figlet works > output
    says '_'
  """
}
target checked = known-to-apt
"#;

/// What the demanding packages leave. The files that are random are targets of their own.
const SERVICES: &str = r#"
target services = run {
  from    = consistent
  workdir = "/"
  script  = bash """
    for user in Debian-exim messagebus postgres redis sshd; do
      getent passwd "$user" > /dev/null || { echo "no user $user"; exit 1; }
    done
    test "$(stat -c '%a %U %G' /usr/bin/crontab /run/postgresql /var/log/redis | tr '\n' ,)" = \
      "2755 root crontab,2775 postgres postgres,2750 redis adm,"
    test -s /var/cache/man/index.db
    test "$(dpkg-divert --listpackage /usr/bin/pg_config)" = postgresql-common
    mkdir /run/sshd
    sshd -t
    nginx -t -q
  """
}
"#;

/// The small system, in a store that other tests fill with packages too.
fn small(checks: &str) -> Place {
    let place = Place::empty().with_store(c_server().0.store());
    place.write("main.build", &format!("{SMALL}{checks}"));
    place
}

#[test]
fn system_is_consistent_for_dpkg_and_apt() {
    small(&format!("{CONSISTENT}{KNOWN_TO_APT}")).build(&[]);
}

#[test]
fn demanding_packages_are_configured_alike_in_two_stores() {
    let patterns = |sign: &str| RANDOM.map(|pattern| format!("{sign}{pattern:?}")).join(", ");
    let targets =
        format!("target same = system[\"/**\", {}]\ntarget random = system[{}]\n", patterns("!"), patterns(""));
    let first = Place::empty().with_store(c_server().0.store());
    first.write("main.build", &format!("{DEMANDING}{CONSISTENT}{SERVICES}{targets}"));
    Built::of(&first.sinter(&["build", "services"]));
    let second = Place::copy_of(&first);
    share_packages_of(&first, &second);
    let [ours, theirs] = [&first, &second].map(|place| ["same", "random"].map(|target| place.build(&[target]).digest));
    assert_eq!(ours[0], theirs[0], "something else than {RANDOM:?} differs");
    assert_ne!(ours[1], theirs[1], "{RANDOM:?} are the same: they are no exception any more");
}

#[test]
fn unpacked_packages_are_known_to_scanners() {
    let place = Place::tiny("target tree = tiny\n");
    place.build(&["-o", "dir:out"]);
    let out = place.project().join("out");
    let pins = pinned(&place.read("sinter.lock"));
    assert!(pins.iter().any(|(name, _)| name == "bash"), "{pins:?}");
    let names: BTreeSet<String> = pins.iter().flat_map(|(name, _)| [name.clone(), format!("{name}.md5sums")]).collect();
    let listed = std::fs::read_dir(out.join("var/lib/dpkg/status.d")).expect("status.d");
    let listed: BTreeSet<String> =
        listed.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
    assert_eq!(listed, names);
    for (name, version) in &pins {
        let text = place.read(&format!("out/var/lib/dpkg/status.d/{name}"));
        for line in [format!("Package: {name}"), format!("Version: {version}"), "Status: install ok installed".into()] {
            assert!(text.lines().any(|found| found == line), "no `{line}` in\n{text}");
        }
    }
    let made_by_scripts =
        ["etc/passwd", "etc/ld.so.cache", "etc/shells", "var/lib/dpkg/status", "var/lib/dpkg/info/bash.list"];
    for path in made_by_scripts {
        assert!(!out.join(path).exists(), "{path} is there, so a script ran");
    }
}

/// Names and versions of the pins of the closures; the Essential set apart.
fn pinned(lock: &str) -> BTreeSet<(String, String)> {
    let (_, closures) = lock.split_once("\npackages.").expect("pins of packages");
    let field =
        |line: &str, name: &str| Some(line.split_once(&format!("{name} = \""))?.1.split_once('"')?.0.to_owned());
    let end = closures.find("\n]").expect("an end of the list");
    closures[..end].lines().filter_map(|line| Some((field(line, "{ name")?, field(line, "version")?))).collect()
}

/// What mmdebstrap leaves and sinter does not: devices (a container runtime makes them), the machine's own names and
/// addresses, its own configuration, backups, locks; apt ran in it, and took directories over.
const ONLY_IN_PEER: [&str; 15] = [
    "dev/",
    "etc/apt/preferences.d/no-usrmerge",
    "etc/apt/sources.list",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "etc/fstab",
    "etc/group-",
    "etc/hostname",
    "etc/passwd-",
    "etc/resolv.conf",
    "var/cache/apt/archives/lock",
    "var/cache/debconf/config.dat-old",
    "var/cache/debconf/templates.dat-old",
    "var/lib/apt/lists/lock",
    "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/status-old",
];
const ONLY_IN_OURS: [&str; 2] = ["var/lib/dpkg/available", "var/lib/dpkg/statoverride"];
/// Days of password changes are those of E; apt in mmdebstrap took two directories over, and marks fewer packages as
/// automatically installed.
const DIFFERENT: [&str; 4] =
    ["etc/shadow", "var/cache/apt/archives/partial", "var/lib/apt/extended_states", "var/lib/apt/lists/partial"];

/// apt would take `usrmerge` with perl where sinter takes `usr-is-merged`, as Debian's installer does.
const NO_USRMERGE: &str =
    r#"printf 'Package: usrmerge\nPin: release *\nPin-Priority: -1\n' > "$1/etc/apt/preferences.d/no-usrmerge""#;

#[test]
fn system_equals_that_of_mmdebstrap() {
    let place = small("target tree = system\n");
    let peer = place.root().join("peer");
    let mut command = Command::new("mmdebstrap");
    command.args(["--mode=root", "--variant=essential", "--include=apt,figlet", "--dpkgopt=force-unsafe-io"]);
    command.arg("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr").arg(format!("--setup-hook={NO_USRMERGE}"));
    command.args(["--format=directory", "bookworm"]).arg(&peer);
    let bootstrap = std::thread::spawn(move || run(command));
    place.build(&["-o", "dir:out"]);
    bootstrap.join().expect("a thread that runs a command").succeeds();
    let (ours, theirs) = (listing(&place.project().join("out")), listing(&peer));
    assert!(theirs.len() > 4000, "mmdebstrap made {} paths", theirs.len());
    let paths: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let differing = paths.into_iter().filter(|path| {
        let known: &[&str] = match (ours.get(*path), theirs.get(*path)) {
            (Some(one), Some(other)) if one == other => return false,
            (Some(_), Some(_)) => &DIFFERENT,
            (Some(_), None) => &ONLY_IN_OURS,
            _ => &ONLY_IN_PEER,
        };
        !known.iter().any(|known| path == known || (known.ends_with('/') && path.starts_with(known)))
    });
    let report: Vec<String> = differing
        .map(|path| format!("{path}\n  ours:   {:?}\n  theirs: {:?}", ours.get(path), theirs.get(path)))
        .collect();
    assert!(report.is_empty(), "{}", report.join("\n"));
}

/// Every path below a directory with its type, mode, owner and content.
fn listing(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut pending: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let data = path.symlink_metadata().expect("its metadata");
            let content = if data.is_symlink() {
                path.read_link().expect("a link").display().to_string()
            } else if data.is_file() {
                let mut hasher = DefaultHasher::new();
                hasher.write(&std::fs::read(&path).expect("a file"));
                format!("{} bytes, {:x}", data.size(), hasher.finish())
            } else {
                String::new()
            };
            let described = format!("{:o} {}:{} {content}", data.mode(), data.uid(), data.gid());
            if data.is_dir() {
                pending.push(path.clone());
            }
            let relative = path.strip_prefix(root).expect("a path below the root");
            found.insert(relative.to_str().expect("a path in UTF-8").to_owned(), described);
        }
    }
    found
}
