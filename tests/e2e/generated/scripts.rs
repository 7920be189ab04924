//! Random scripts whose result follows from the tree they run on and from nothing else.
//!
//! Rules: a command that fails leaves no trace, so nothing has to know what is there. What a command does may depend on no
//! order of directory entries: nothing is copied into itself. A pipe is never opened. Each script begins with a list
//! of all it sees and ends with a file `mark`, which no script removes.

use std::fmt::Write as _;

use crate::random::Random;

/// What a script of the step `number` may change.
pub(super) struct Room<'nodes> {
    pub(super) number: usize,
    /// Steps below it whose directories it sees.
    pub(super) below: &'nodes [usize],
}

const MODES: &[&str] = &["0644", "0600", "0755", "2755", "1777", "4755", "6711", "0500", "0000"];
const OWNERS: &[&str] = &["0:0", "7:8", "1000:1000", "65534:65533", "0:50"];
const DATES: &[&str] = &["2001-02-03T04:05:06.789", "1970-01-01", "2038-01-19T03:14:08"];
const LINKS: &[&str] = &["nowhere", "mark", "/srv", "../srv/file"];

/// Times of directories of the step itself are those of its moment, so only what lies in them is listed. How many names a
/// file has is not controlled (spec 7.11), and sizes of directories are their file system's.
const LOOK: &str = r#"for path in /srv/* /[dpq][0-9]*/* /[dpq][0-9]*/*/* /[dpq][0-9]*/*/*/*; do
  if [ -d "$path" ] && ! [ -h "$path" ]; then stat -c '%N %F %a %u:%g %.9Y' "$path"
  else stat -c '%N %F %a %u:%g %s %.9Y' "$path"; fi 2>/dev/null || :
done > /tmp/seen"#;

/// Lines of a shell script.
pub(super) fn script(random: &mut Random, room: &Room<'_>) -> Vec<String> {
    let own = format!("/d{}", room.number);
    let mut lines: Vec<String> = LOOK.lines().map(str::to_owned).collect();
    lines.push(format!("mkdir -p {own}"));
    for _ in 0..=random.below(14) {
        lines.push(format!("{{ {}; }} 2>/dev/null || :", command(random, room)));
    }
    if random.chance(50) {
        lines.push(format!("cat /tmp/seen > {own}/seen"));
    }
    lines.push(format!("echo {} > {own}/mark", room.number));
    lines
}

fn command(random: &mut Random, room: &Room<'_>) -> String {
    let (path, other) = (path(random, room, "abc"), path(random, room, "efg"));
    let (number, mode) = (random.below(4), *random.pick(MODES));
    match random.below(20) {
        0..=2 => format!("[ -p {path} ] || echo {number} > {path}"),
        3 => format!("[ -p {path} ] || echo {number} >> {path}"),
        4 => format!("mkdir -m {mode} {path}"),
        5 => format!("mkdir -p {path}/b && echo {number} > {path}/b/c"),
        6 => format!("chmod {mode} {path}"),
        7 => format!("chmod -R {mode} {path}"),
        8 => format!("chown -h {} {path}", random.pick(OWNERS)),
        9 | 10 => format!("ln {path} {other}"),
        11 => format!("ln -s {} {path}", random.pick(LINKS)),
        12 => format!("rm -rf {path}"),
        13 => format!("mv -T {path} {other}"),
        14 => format!("mv -T {other} {path}"),
        15 => format!("touch -d {} {path}", random.pick(DATES)),
        16 => format!("[ -p {path} ] || truncate -s {} {path}", random.pick(&["0", "1", "65536", "1000000"])),
        17 => format!("mkfifo -m {mode} {path}"),
        18 => format!("rm -rf {path} && mkdir {path} && echo {number} > {path}/new"),
        _ => format!("cp -aT {path} {other}"),
    }
}

/// A path in the step's own directory, or in one of a step below it; its first name is one of `names`.
fn path(random: &mut Random, room: &Room<'_>, names: &str) -> String {
    let number = if room.below.is_empty() || random.chance(80) { room.number } else { *random.pick(room.below) };
    let first: Vec<char> = names.chars().collect();
    let mut path = format!("/d{number}/{}", random.pick(&first));
    for _ in 0..random.below(3) {
        write!(path, "/{}", random.pick(&["a", "b", "c"])).expect("a text");
    }
    path
}
