//! A private place to run sinter in, and what its output is held against.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The program under test.
pub(crate) const SINTER: &str = env!("CARGO_BIN_EXE_sinter");

/// A private directory with a project and a store.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    store: PathBuf,
}

/// What a command gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// An empty project with an empty store of its own.
    pub(crate) fn empty() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // Other users run sinter here too.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(directory.path(), open).expect("permissions of a new directory");
        let store = directory.path().join("store");
        std::fs::create_dir(directory.path().join("project")).expect("a project directory");
        Self { directory, store }
    }

    /// A project with one `.build` file whose store already holds the small tree of [`TINY`].
    pub(crate) fn tiny(build: &str) -> Self {
        let mut place = Self::empty();
        place.store = shared_store().to_owned();
        place.write("sinter.lock", shared_lock());
        place.write("main.build", &format!("{TINY}\n{build}"));
        place
    }

    /// A project whose tree `small` has 3 MB: a shell and five commands, taken out of the small tree of [`TINY`]; the store
    /// is its own. For tests that make many layers, or hurt them.
    pub(crate) fn small(build: &str) -> Self {
        let place = Self::empty();
        let tree = tiny_directory();
        for (from, to) in SMALL_FILES {
            let to = place.project().join("small").join(to);
            std::fs::create_dir_all(to.parent().expect("a file has a parent")).expect("parents");
            std::fs::copy(tree.join("usr").join(from), to).expect("a file of the small tree");
        }
        place.write("small/data/deep/base", "base\n");
        place.write("main.build", &format!("{SMALL}\n{build}"));
        place
    }

    /// A copy of an example, without what it may have built in place.
    pub(crate) fn example(name: &str) -> Self {
        let place = Self::empty();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
        copy(&source, &place.project());
        place
    }

    /// The same project elsewhere.
    pub(crate) fn copy_of(other: &Self) -> Self {
        let place = Self::empty();
        copy(&other.project(), &place.project());
        place
    }

    pub(crate) fn with_store(mut self, store: &Path) -> Self {
        self.store = store.to_owned();
        self
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.root().join("project")
    }

    pub(crate) fn store(&self) -> &Path {
        &self.store
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.project().join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a parent")).expect("parents");
        std::fs::write(&path, text).expect("a file of the project");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.project().join(path)).expect("a file of the project")
    }

    /// A command with this place's environment and no other.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.program(SINTER, arguments)
    }

    /// Runs `bundle`, as umoci unpacked it, by crun.
    ///
    /// crun refuses machines that mount both hierarchies of cgroups. In a mount namespace that shows it the second one alone
    /// it runs everywhere; nothing of the machine is changed.
    pub(crate) fn container(&self, name: &str) -> Command {
        const RUN: &str = "mount --make-rprivate / && umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && \
            exec crun --root \"$1/state\" --cgroup-manager=disabled run --bundle \"$1/bundle\" --pid-file \"$1/pid\" \"$2\"";
        // The terminal that umoci asks for is not there when tests run.
        let config = self.read("bundle/config.json").replace("\"terminal\": true", "\"terminal\": false");
        self.write("bundle/config.json", &config);
        let mut command = self.program("unshare", &["--mount", "sh", "-euc", RUN, "sh"]);
        command.arg(self.project()).arg(format!("{name}-{}", std::process::id()));
        command
    }

    /// Another program in the project's directory with this place's environment.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.project()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.root()).env("SINTER_STORE", &self.store);
        command
    }

    pub(crate) fn sinter(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments))
    }

    /// Builds and expects success; the digest of the only target.
    pub(crate) fn build(&self, arguments: &[&str]) -> Built {
        let ran = self.sinter(&[&["build"], arguments].concat());
        Built::of(&ran)
    }
}

/// A build that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Built {
    pub(crate) digest: String,
    pub(crate) steps: usize,
    pub(crate) ran: usize,
}

impl Built {
    pub(crate) fn of(ran: &Ran) -> Self {
        assert_eq!(ran.code, Some(0), "the build failed\n{}", ran.stderr);
        let digest = ran.stdout.lines().next().and_then(|line| line.split(' ').nth(1)).expect("TARGET DIGEST");
        let summary = ran.stderr.lines().last().expect("a last line");
        let number = |word: &str| {
            let words: Vec<&str> = summary.split([' ', ':', ',']).filter(|word| !word.is_empty()).collect();
            let index = words.iter().position(|found| found.trim_end_matches('s') == word).expect("a summary line");
            words[index - 1].parse::<usize>().expect("a number in the summary")
        };
        Self { digest: digest.to_owned(), steps: number("step"), ran: number("ran") }
    }
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| {
        panic!("cannot run {:?}: {error}; `cargo xtask setup` installs what tests need", command.get_program())
    });
    Ran {
        code: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

impl Ran {
    /// Expects this exit code and these texts on standard error.
    pub(crate) fn fails(&self, code: i32, texts: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "exit code\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        for text in texts {
            assert!(self.stderr.contains(text), "`{text}` is not in\n{}", self.stderr);
        }
        assert!(self.stdout.is_empty(), "a failed command printed data: {}", self.stdout);
        self
    }

    pub(crate) fn succeeds(&self) -> &Self {
        assert_eq!(self.code, Some(0), "exit code\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }
}

/// The head of most projects here: a small tree with a shell and the usual commands, unpacked without scripts.
pub(crate) const TINY: &str = r#"import std.debian
input src  = dir(".")
input base = debian("bookworm", ["bash", "coreutils", "dash"])
let tiny = debian.unpack(base)
"#;

/// The head of projects that stand on less.
pub(crate) const SMALL: &str = r#"input src = dir(".")
let small = run {
  from   = [place(sub(src["small"], "small"), "/")]
  script = sh """
    echo small > /small
  """
}
"#;

/// What a shell and commands need that nothing else is linked to: where it is below `usr`, and where it goes.
const SMALL_FILES: [(&str, &str); 8] = [
    ("bin/dash", "bin/sh"),
    ("bin/cat", "bin/cat"),
    ("bin/ln", "bin/ln"),
    ("bin/rm", "bin/rm"),
    ("bin/chmod", "bin/chmod"),
    ("bin/sleep", "bin/sleep"),
    ("lib/x86_64-linux-gnu/libc.so.6", "lib/x86_64-linux-gnu/libc.so.6"),
    ("lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2"),
];

/// The one layer of the shared store that holds the small tree, unpacked.
fn tiny_directory() -> PathBuf {
    let layers = std::fs::read_dir(shared_store().join("layers")).expect("layers").flatten();
    let mut trees = layers.map(|layer| layer.path().join("fs"));
    trees.find(|tree| tree.join("usr/bin/dash").is_file()).expect("the layer of the small tree")
}

/// A store that holds the small tree; many tests share it, as many builds share a store.
fn shared_store() -> &'static Path {
    shared().0.as_path()
}

fn shared_lock() -> &'static str {
    &shared().1
}

fn shared() -> &'static (PathBuf, String) {
    static SHARED: OnceLock<(PathBuf, String)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let place = Place::empty().with_store(&fresh_directory("shared-store"));
        place.write("main.build", &format!("{TINY}\ntarget tree = tiny\n"));
        place.build(&[]);
        (place.store.clone(), place.read("sinter.lock"))
    })
}

/// The c-server example, built once in a store of its own: what other tests compare with, and where they get the
/// packages from without asking the mirror again.
pub(crate) fn c_server() -> &'static (Place, Built) {
    static BUILT: OnceLock<(Place, Built)> = OnceLock::new();
    BUILT.get_or_init(|| {
        let place = Place::example("c-server").with_store(&fresh_directory("c-server-store"));
        let built = place.build(&["-o", "oci:image"]);
        (place, built)
    })
}

/// An empty directory that outlives the test process, so that it is not deleted while another test uses it.
fn fresh_directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path).expect("the directory of an earlier run");
    }
    std::fs::create_dir_all(&path).expect("a directory for tests");
    path
}

/// Gives `place` the packages and indexes of the c-server store, and its lock, but none of its results.
pub(crate) fn share_packages(place: &Place) {
    share_packages_of(&c_server().0, place);
}

/// Gives `to` the packages and indexes of the other place, and its lock, but none of its results.
pub(crate) fn share_packages_of(from: &Place, to: &Place) {
    copy_packages(from.store(), to.store());
    to.write("sinter.lock", &from.read("sinter.lock"));
}

/// Gives `place` the packages of the small tree, and none of its results.
pub(crate) fn share_tiny_packages(place: &Place) {
    copy_packages(shared_store(), place.store());
}

fn copy_packages(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("records")).expect("a store");
    for part in ["version", "blobs", "index", "settled", "records/blob"] {
        copy(&from.join(part), &to.join(part));
    }
}

/// Copies a store that others may be using at this moment.
pub(crate) fn copy_store(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a new store");
    for entry in std::fs::read_dir(from).expect("a store").flatten() {
        let name = entry.file_name();
        if !["leases", "lock", "trash", "turns", "work"].iter().any(|own| name == *own) {
            copy(&entry.path(), &to.join(name));
        }
    }
}

/// Copies a directory with its links and modes.
pub(crate) fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-aT").args([from, to]).status().expect("cp");
    assert!(status.success(), "cannot copy {} to {}", from.display(), to.display());
}

/// Makes a program of the project that runs in any tree.
pub(crate) fn compile(place: &Place, name: &str, text: &str) {
    place.write(&format!("{name}.c"), text);
    run(place.program("gcc", &["-static", "-s", "-o", name, &format!("{name}.c")])).succeeds();
}

/// A user of this machine with a range of subordinate ids.
pub(crate) struct User {
    pub(crate) uid: u32,
}

impl User {
    /// Makes the account if it is not there.
    pub(crate) fn with_subordinate_ids(name: &str) -> Self {
        let id = || {
            run({
                let mut command = Command::new("id");
                command.args(["-u", name]);
                command
            })
        };
        if id().code != Some(0) {
            let mut command = Command::new("useradd");
            run({
                command.args(["--no-create-home", "--shell", "/usr/sbin/nologin", name]);
                command
            })
            .succeeds();
        }
        for file in ["/etc/subuid", "/etc/subgid"] {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            if !text.lines().any(|line| line.starts_with(&format!("{name}:"))) {
                std::fs::write(file, format!("{text}{name}:600100000:65536\n")).expect("a range of subordinate ids");
            }
        }
        Self { uid: id().stdout.trim().parse().expect("a user id") }
    }

    /// Gives this user a directory and all in it.
    pub(crate) fn owns(&self, directory: &Path) {
        let mut command = Command::new("chown");
        command.args(["-R", &format!("{0}:{0}", self.uid)]).arg(directory);
        run(command).succeeds();
    }
}
