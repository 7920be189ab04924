//! Whose ranges of ids are whose: what `/etc/passwd`, `/etc/subuid` and `/etc/subgid` say.
//!
//! The files are read as text and never asked for through the C library: its plug-ins (`getpwuid`) are loaded at run time,
//! and a static program without the very same library on the machine dies of that.
//!
//! Formats: passwd(5); subuid(5), one `NAME-OR-NUMBER:FIRST:COUNT` a line, where users are named in both files.
//! Must not know: namespaces, how ids are mapped.

use std::process::Command;

/// Where distributions begin to give ranges away (`SUB_UID_MIN` of login.defs(5)).
const FIRST_GIVEN: u64 = 100_000;

/// A user as the files name it.
pub(crate) struct Owner {
    pub(crate) name: Option<String>,
    pub(crate) uid: u32,
}

impl Owner {
    /// The user with this number. A user that `/etc/passwd` does not hold may come from a directory service; then a program
    /// that is linked to ask one is asked. It may know no name either.
    pub(crate) fn of(uid: u32) -> Self {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self { name: name_in(&passwd, uid).map(str::to_owned).or_else(own_name_elsewhere), uid }
    }

    fn is(&self, text: &str) -> bool {
        self.name.as_deref() == Some(text) || text.parse() == Ok(self.uid)
    }

    /// The name, or the number.
    pub(crate) fn display(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.uid.to_string())
    }
}

fn name_in(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (!name.is_empty() && number.parse() == Ok(uid)).then_some(name)
    })
}

fn own_name_elsewhere() -> Option<String> {
    let output = Command::new("id").arg("-un").output().ok().filter(|output| output.status.success())?;
    let name = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    // `id` gives the number where there is no name, in some of its versions with success.
    (!name.is_empty() && name.parse::<u32>().is_err()).then_some(name)
}

/// First id and count.
type Range = (u32, u32);

fn parse(line: &str) -> Option<(&str, Range)> {
    let mut fields = line.trim().split(':');
    Some((fields.next()?, (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?)))
}

/// The ranges that `text` gives this user.
pub(crate) fn ranges(text: &str, owner: &Owner) -> Vec<Range> {
    text.lines().filter_map(parse).filter(|(name, _)| owner.is(name)).map(|(_, range)| range).collect()
}

/// What gives this user `count` ids of each kind that are nobody else's in the two texts.
pub(crate) fn advice(owner: &Owner, users: &str, groups: &str, count: u32) -> String {
    let first = first_free(&[users, groups].map(|text| text.lines().filter_map(parse)).into_iter().flatten(), count);
    match &owner.name {
        Some(name) => {
            let last = first + u64::from(count) - 1;
            format!("run `usermod --add-subuids {first}-{last} --add-subgids {first}-{last} {name}`")
        }
        // `usermod` knows users by name only.
        None => format!(
            "add the line `{0}:{first}:{count}` to /etc/subuid and to /etc/subgid, and one for user {0} to /etc/passwd",
            owner.uid
        ),
    }
}

/// Where `count` ids begin that no range touches.
fn first_free<'a>(taken: &(impl Iterator<Item = (&'a str, Range)> + Clone), count: u32) -> u64 {
    let mut taken: Vec<(u64, u64)> =
        taken.clone().map(|(_, (first, count))| (u64::from(first), u64::from(first) + u64::from(count))).collect();
    taken.sort_unstable();
    taken.into_iter().fold(FIRST_GIVEN, |candidate, (first, end)| {
        let is_apart = end <= candidate || first >= candidate + u64::from(count);
        if is_apart { candidate } else { end }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "ada:100000:65536\n# note\nbob:1:x\n1000:300000:10\nada:500000:70000\nbroken\n";

    fn owner(name: Option<&str>, uid: u32) -> Owner {
        Owner { name: name.map(str::to_owned), uid }
    }

    #[test]
    fn ranges_are_found_by_name_and_number() {
        assert_eq!(ranges(TEXT, &owner(Some("ada"), 7)), [(100_000, 65_536), (500_000, 70_000)]);
        assert_eq!(ranges(TEXT, &owner(Some("eve"), 1000)), [(300_000, 10)]);
        assert_eq!(ranges(TEXT, &owner(Some("bob"), 8)), []);
        assert_eq!(ranges(TEXT, &owner(None, 9)), []);
    }

    #[test]
    fn names_are_found_in_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:7:7::/:\nada:x:1000:1000::/:/bin/sh\n+::::::\n";
        for (uid, name) in [(0, Some("root")), (1000, Some("ada")), (7, None), (54_321, None)] {
            assert_eq!(name_in(passwd, uid), name, "{uid}");
        }
    }

    #[test]
    fn advice_proposes_what_is_nobody_elses() {
        for (users, groups, first) in [
            ("", "", 100_000),
            ("bob:100000:65536\n", "bob:100000:65536\n", 165_536),
            ("bob:165536:65536\n", "eve:100000:65536\n", 231_072),
            ("bob:100000:1\n", "", 100_001),
            ("bob:165535:1\n", "", 165_536),
            ("bob:1000:10\neve:200000:65536\n", "", 100_000),
            ("eve:165536:65536\nbob:100000:200000\n", "", 300_000),
        ] {
            let last = first + 65_535;
            let expected = format!("run `usermod --add-subuids {first}-{last} --add-subgids {first}-{last} ada`");
            assert_eq!(advice(&owner(Some("ada"), 7), users, groups, 65_536), expected, "{users:?} {groups:?}");
        }
        let nameless = advice(&owner(None, 7), "", "", 65_536);
        assert!(nameless.starts_with("add the line `7:100000:65536` to /etc/subuid"), "{nameless}");
    }
}
