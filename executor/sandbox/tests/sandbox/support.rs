//! A root file system, and a way to run a script in it in one line.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use sinter_sandbox::{Exit, Job, Outcome, SandboxError};

const PROGRAMS: &[&str] = &[
    "/bin/dash",
    "/bin/bash",
    "/bin/cat",
    "/bin/chmod",
    "/bin/chown",
    "/bin/cp",
    "/bin/echo",
    "/bin/false",
    "/bin/ln",
    "/bin/ls",
    "/bin/mkdir",
    "/bin/mknod",
    "/bin/mount",
    "/bin/mv",
    "/bin/readlink",
    "/bin/rm",
    "/bin/sed",
    "/bin/sleep",
    "/bin/touch",
    "/bin/true",
    "/bin/uname",
    "/usr/bin/env",
    "/usr/bin/head",
    "/usr/bin/id",
    "/usr/bin/mkfifo",
    "/usr/bin/perl",
    "/usr/bin/setsid",
    "/usr/bin/sort",
    "/usr/bin/stat",
    "/usr/bin/tail",
    "/usr/bin/tr",
    "/usr/bin/unshare",
    "/usr/bin/wc",
    "/bin/grep",
    "/usr/bin/seq",
    "/usr/bin/timeout",
];

/// The tree that most tests run in; made once, and never written to.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let draft = tempfile::tempdir_in(place).expect("a directory");
        fill(draft.path());
        let root = place.join("root");
        let _ = fs::remove_dir_all(&root);
        fs::rename(draft.keep(), &root).expect("a new name");
        root
    })
}

/// The bottom of every stack.
pub(crate) fn skeleton() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skeleton");
    sinter_sandbox::skeleton(&dir).expect("a skeleton");
    dir
}

fn fill(root: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).expect("a mode");
    for dir in ["usr/bin", "usr/lib", "usr/lib64", "etc", "app", "data", "var/tmp"] {
        fs::create_dir_all(root.join(dir)).expect("a directory");
    }
    for (link, to) in [("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64"), ("usr/bin/sh", "dash")] {
        symlink(to, root.join(link)).expect("a link");
    }
    for program in PROGRAMS {
        install(root, Path::new(program));
        libraries(program).iter().for_each(|library| install(root, library));
    }
    for dir in perl_directories() {
        let parent = root.join(dir.strip_prefix("/").expect("an absolute path")).parent().expect("a parent").to_owned();
        fs::create_dir_all(&parent).expect("a directory");
        assert!(Command::new("cp").arg("-rL").arg(&dir).arg(&parent).status().expect("cp").success());
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/:/bin/sh\n").expect("a file");
    fs::write(root.join("data/old"), "old\n").expect("a file");
    fs::write(root.join("data/gone"), "gone\n").expect("a file");
}

fn install(root: &Path, file: &Path) {
    let to = root.join(file.strip_prefix("/").expect("an absolute path"));
    fs::create_dir_all(to.parent().expect("a parent")).expect("a directory");
    fs::copy(file, to).expect("a copy");
}

fn libraries(program: &str) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().expect("ldd");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// The modules of the essential perl: sockets and system calls for scripts.
fn perl_directories() -> Vec<PathBuf> {
    let found = fs::read_dir("/usr/lib").expect("/usr/lib").flatten().map(|entry| entry.path().join("perl-base"));
    found.filter(|path| path.is_dir()).collect()
}

/// What a run left.
pub(crate) struct Ran {
    pub(crate) result: Result<Outcome, SandboxError>,
    pub(crate) output: String,
    pub(crate) dir: tempfile::TempDir,
}

impl Ran {
    /// The output of a script that succeeded.
    pub(crate) fn success(self) -> String {
        match &self.result {
            Ok(outcome) if outcome.exit == Exit::Code(0) => self.output,
            other => panic!("{other:?}: {}", self.output),
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        *self.result.as_ref().unwrap_or_else(|error| panic!("{error}: {}", self.output))
    }

    pub(crate) fn error(self) -> SandboxError {
        self.result.expect_err("an error")
    }

    pub(crate) fn upper(&self) -> PathBuf {
        self.dir.path().join("upper")
    }
}

/// Runs a script as root with `sh -eu`.
pub(crate) fn run(script: &str) -> Ran {
    run_with(script, |_| {})
}

/// The same, with changes to the job.
pub(crate) fn run_with(script: impl AsRef<[u8]>, change: impl FnOnce(&mut Job)) -> Ran {
    run_into(None, script, change)
}

/// The same, with what the script prints going elsewhere.
pub(crate) fn run_into(
    other: Option<std::io::PipeWriter>,
    script: impl AsRef<[u8]>,
    change: impl FnOnce(&mut Job),
) -> Ran {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    for name in ["upper", "work"] {
        fs::create_dir(dir.path().join(name)).expect("a directory");
    }
    let output = dir.path().join("output");
    let mut job = Job {
        lowers: vec![root().to_owned(), skeleton()],
        upper: dir.path().join("upper"),
        work: dir.path().join("work"),
        script: script.as_ref().to_vec(),
        interpreter: words("sh -eu"),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        uid: 0,
        gid: 0,
        groups: vec![],
        workdir: PathBuf::from("/app"),
        timeout: Some(Duration::from_secs(60)),
    };
    change(&mut job);
    let file = File::create(&output).expect("a file");
    let result = sinter_sandbox::run(&job, other.map_or_else(|| file.into(), Into::into));
    let output = String::from_utf8_lossy(&fs::read(output).expect("the output")).into_owned();
    Ran { result, output, dir }
}

pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Runs `body` in a process of its own with a single thread, and gives what it returns as text. A panic is a text too.
pub(crate) fn in_child(body: impl FnOnce() -> String) -> Child {
    // A child of a process that is just making it in another thread would wait for that thread for ever.
    root();
    let (read, mut write) = std::io::pipe().expect("a pipe");
    // SAFETY: the C library makes its allocator usable in the child; the child uses no other lock of the parent.
    match unsafe { nix::unistd::fork() }.expect("a child") {
        nix::unistd::ForkResult::Parent { child } => Child { process: child, answer: read },
        nix::unistd::ForkResult::Child => {
            let said = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
            });
            let _ = std::io::Write::write_all(&mut write, said.as_bytes());
            // SAFETY: ends the process.
            unsafe { nix::libc::_exit(0) }
        }
    }
}

/// A process made by [`in_child`].
pub(crate) struct Child {
    pub(crate) process: nix::unistd::Pid,
    answer: std::io::PipeReader,
}

impl Child {
    /// What the body returned.
    pub(crate) fn answer(mut self) -> String {
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.answer, &mut said).expect("an answer");
        nix::sys::wait::waitpid(self.process, None).expect("an end");
        said
    }
}
