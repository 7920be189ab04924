//! Whoever starts a build, and however: the results are the same.
//!
//! What a process passes on to its children is varied on the whole program; the sandbox's own test varies what only a
//! program can (`executor/sandbox/tests/sandbox/surroundings.rs`). What nobody can take back is in spec.md 7.11.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Built, Place, SINTER, TINY, User, compile, copy_store, run, share_tiny_packages};

/// One step changes `/` and writes as root, one writes as a user where no directory was, one looks at what a caller could
/// have passed on. Their words differ for each caller, so that each runs them; what they leave does not.
const STEPS: &str = r#"
let root = run {
  from   = tiny
  files  = src["mark"]
  script = sh """
    : CALLER
    ./mark / user.note kept
    mkdir -p /srv/data/deep /srv/open
    echo words > /srv/data/file
    chmod 2771 /srv/data
    chmod 777 /srv/open
    mkfifo /srv/pipe
    cp /srv/data/file /srv/data/deep/copy
    chmod 711 /
  """
}
let user = run {
  from    = root
  user    = "1000"
  workdir = "/home/fresh"
  script  = sh """
    : CALLER
    echo mine > file
    mkdir directory
    echo open > /srv/open/file
  """
}
let looked = run {
  from   = user
  keep   = ["/seen"]
  script = sh """
    : CALLER
    {
      stat -c '%n %a %u:%g' / /srv /srv/data /srv/data/deep /srv/open /srv/open/file /home /home/fresh /home/fresh/file .
      umask
      ulimit -a
      ulimit -aH
      nice
      while read -r name value; do
        case "$name" in Sig[PBI]*|Cap*|NoNewPrivs:|Groups:) echo "$name $value" ;; esac
      done < /proc/self/status
      cat /proc/self/oom_score_adj /proc/self/personality
      ls /proc/self/fd
      uname -m
      echo "$HOME $TZ ${LC_ALL-} ${LANG-} $PATH"
      pwd
      od -c < /dev/stdin
    } > /seen
  """
}
target it = image {
  layers = [looked]
  cmd    = ["cat", "/seen"]
}
"#;

/// Lines of bash that start `$S build`. Soft limits: not every root may raise a hard one again (spec.md 7.11).
const CALLERS: &[&str] = &[
    "umask 000; exec $S build",
    "umask 002; exec $S build",
    "umask 022; exec $S build",
    "umask 077; exec $S build",
    "exec nice -n 5 $S build",
    "exec nice -n 19 setsid $S build < /etc/passwd",
    "ulimit -Sn 256; exec $S build",
    "ulimit -Su 500; exec $S build",
    "ulimit -Sl 64; exec $S build",
    "ulimit -Sf 4000000; exec $S build",
    "ulimit -Si 100; exec $S build",
    "ulimit -Sq 4096; exec $S build",
    "ulimit -Ss 1024; exec $S build",
    "ulimit -Sc 1000; exec $S build",
    "trap '' CHLD; exec $S build",
    "trap '' INT QUIT HUP PIPE TERM USR1; exec $S build",
    "exec env --block-signal=USR1,TERM,CHLD,ALRM $S build",
    "echo 500 > /proc/self/oom_score_adj; exec $S build",
    "for n in 5 6 7 23 99; do eval \"exec $n< /etc/passwd\"; done; exec $S build",
    "exec setarch --addr-no-randomize $S build",
    "exec setarch --32bit --read-implies-exec $S build",
    "exec $S build <&-",
    "exec taskset 1 $S build",
    "exec chrt --batch 0 $S build",
    "exec ionice -c 3 $S build",
    "export LC_ALL=tr_TR.UTF-8 LANG=C.UTF-8 TZ=Asia/Kathmandu; exec $S build",
    "export HOME=/nonexistent USER=nobody TMPDIR=/nowhere XDG_CACHE_HOME=/nowhere; exec $S build",
    "P=$PWD; cd /; exec $S build $P/main.build",
    "exec $S build --jobs 1",
];

/// Makes the words of the steps those of one caller.
fn call(place: &Place, caller: usize) {
    place.write("main.build", &format!("{TINY}{}", STEPS.replace("CALLER", &caller.to_string())));
}

/// As [`call`], without a look at what only rights over the machine can raise again.
fn call_without_limits(place: &Place, caller: usize) {
    call(place, caller);
    let text = place.read("main.build");
    let raised = ["ulimit -a", "ulimit -aH", "nice"];
    let lines: Vec<&str> = text.lines().filter(|line| !raised.contains(&line.trim())).collect();
    place.write("main.build", &format!("{}\n", lines.join("\n")));
}

fn place() -> Place {
    let place = Place::tiny("");
    compile(&place, "mark", include_str!("mark.c"));
    place
}

fn shell(place: &Place, line: &str) -> Command {
    let mut command = place.program("bash", &["-c", line]);
    command.env("S", SINTER);
    command
}

#[track_caller]
fn same(caller: &str, built: &Built, first: &mut Option<String>) {
    assert_eq!(built.ran, 3, "{caller}: nothing was shown");
    let first = first.get_or_insert_with(|| built.digest.clone());
    assert_eq!(&built.digest, first, "{caller}");
}

#[test]
fn every_caller_gets_the_same_digest() {
    let place = place();
    let own = place.root().join("store");
    copy_store(place.store(), &own);
    let place = place.with_store(&own);
    let mut first = None;
    for (number, line) in CALLERS.iter().enumerate() {
        call(&place, number);
        let ran = run(shell(&place, line));
        assert_eq!(ran.code, Some(0), "{line}\n{}", ran.stderr);
        same(line, &Built::of(&ran), &mut first);
    }
    // Stores whose directories pass their rights on to what is made in them, and another user's.
    for (number, (name, change)) in (100..).zip(DIRECTORIES) {
        let store = place.root().join(name);
        copy_store(place.store(), &store);
        for directory in directories(&store) {
            change(&directory);
        }
        let other = Place::copy_of(&place).with_store(&store);
        call(&other, number);
        same(name, &other.build(&[]), &mut first);
    }
    call_without_limits(&place, 200);
    let mut first = Some(place.build(&[]).digest);
    same("a user with subordinate ids", &as_user(&place), &mut first);
}

type Change = fn(&Path);

const DIRECTORIES: [(&str, Change); 3] = [
    ("setgid", |path| {
        std::os::unix::fs::chown(path, None, Some(7)).expect("a group");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o2775)).expect("a mode");
    }),
    ("default-acl", |path| default_acl(path)),
    ("setgid-with-acl", |path| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o2777)).expect("a mode");
        default_acl(path);
    }),
];

/// A store's own directories, in which workspaces and objects are made.
fn directories(store: &Path) -> Vec<PathBuf> {
    let _ = std::fs::create_dir(store.join("work"));
    let below = std::fs::read_dir(store).expect("a store").flatten().map(|entry| entry.path());
    below.filter(|path| path.is_dir()).chain([store.to_owned()]).collect()
}

/// Everything made in `path` gets a right for user 12.
fn default_acl(path: &Path) {
    // The form of the attribute (linux/posix_acl_xattr.h): version 2; then tag, rights and id of each entry.
    let set = "import os, struct, sys
entries = [(1, 7, -1), (2, 7, 12), (4, 5, -1), (16, 7, -1), (32, 5, -1)]
value = struct.pack('<I', 2) + b''.join(struct.pack('<HHi', *entry) for entry in entries)
os.setxattr(sys.argv[1], 'system.posix_acl_default', value)";
    let mut command = Command::new("python3");
    command.args(["-c", set]).arg(path);
    run(command).succeeds();
}

/// The same project, built from the packages alone by a user without rights.
fn as_user(source: &Place) -> Built {
    let place = Place::copy_of(source);
    share_tiny_packages(&place);
    let user = User::with_subordinate_ids("sinter-test");
    user.owns(place.root());
    let mut command = shell(&place, "umask 027; ulimit -Sn 256; trap '' CHLD PIPE; exec $S build");
    command.uid(user.uid).gid(user.uid).env("USER", "sinter-test");
    Built::of(&run(command))
}
