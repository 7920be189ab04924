//! Users by name, as the tree a step stands on knows them (passwd(5), group(5)).

use std::collections::BTreeSet;

/// Who a script runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Supplementary groups, sorted.
    pub(crate) groups: Vec<u32>,
    pub(crate) home: String,
}

/// The largest id that a sandbox maps, so that the files of a script can belong to it. Images may name larger ones.
pub(crate) const LARGEST_ID: u32 = 65_535;

impl Identity {
    /// The first of its ids that no sandbox maps, and what it is.
    pub(crate) fn unmapped(&self) -> Option<(&'static str, u32)> {
        let groups = self.groups.iter().map(|&group| ("group", group));
        [("user", self.uid), ("group", self.gid)].into_iter().chain(groups).find(|(_, id)| *id > LARGEST_ID)
    }
}

/// Finds `user` (a name or number, optionally followed by `:group`) in the texts of /etc/passwd and /etc/group.
/// A number needs no entry. `None` if a name is unknown.
pub(crate) fn identity(user: &str, passwd: &str, group: &str) -> Option<Identity> {
    let (user, group_name) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
    let entry = passwd.lines().filter_map(Account::parse).find(|account| account.is(user));
    let account = match (entry, user.parse()) {
        (Some(account), _) => account,
        (None, Ok(uid)) => Account { name: "", uid, gid: 0, home: "/" },
        // Every tree has root, also one without a passwd file.
        (None, Err(_)) if user == "root" => Account { name: "root", uid: 0, gid: 0, home: "/root" },
        (None, Err(_)) => return None,
    };
    let gid = group_name.map_or(Some(account.gid), |name| group_id(name, group))?;
    let groups: BTreeSet<u32> = match account.uid {
        0 => BTreeSet::new(),
        _ => group.lines().filter_map(|line| membership(line, account.name)).filter(|&other| other != gid).collect(),
    };
    Some(Identity { uid: account.uid, gid, groups: groups.into_iter().collect(), home: account.home.to_owned() })
}

struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl<'a> Account<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let fields: Vec<&str> = line.split(':').collect();
        let home = fields.get(5).filter(|home| home.starts_with('/')).unwrap_or(&"/");
        Some(Self { name: fields.first()?, uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()?, home })
    }

    fn is(&self, user: &str) -> bool {
        self.name == user || user.parse() == Ok(self.uid)
    }
}

fn group_id(name: &str, group: &str) -> Option<u32> {
    let known = group.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.first() == Some(&name)).then(|| fields.get(2)?.parse().ok()).flatten()
    });
    known.or_else(|| name.parse().ok())
}

fn membership(line: &str, user: &str) -> Option<u32> {
    let fields: Vec<&str> = line.split(':').collect();
    let members = fields.get(3)?;
    (!user.is_empty() && members.split(',').any(|member| member == user)).then(|| fields.get(2)?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/bash\npostgres:x:101:103:,,,:/var/lib/postgresql:/bin/sh\nbroken\n";
    const GROUP: &str = "root:x:0:\nssl-cert:x:104:www,postgres\npostgres:x:103:\nbroken:x\n";

    fn found(user: &str) -> Option<(u32, u32, Vec<u32>, String)> {
        identity(user, PASSWD, GROUP).map(|identity| (identity.uid, identity.gid, identity.groups, identity.home))
    }

    #[test]
    fn names_and_numbers_resolve() {
        let postgres = Some((101, 103, vec![104], "/var/lib/postgresql".to_owned()));
        assert_eq!(found("postgres"), postgres);
        assert_eq!(found("101"), postgres);
        assert_eq!(found("postgres:ssl-cert"), Some((101, 104, vec![], "/var/lib/postgresql".to_owned())));
        assert_eq!(found("4000:50"), Some((4000, 50, vec![], "/".to_owned())));
        assert_eq!(found("root"), Some((0, 0, vec![], "/root".to_owned())));
    }

    #[test]
    fn ids_beyond_the_sandbox_are_found() {
        let group = "big:x:70000:many\n";
        let passwd = "many:x:5:6::/:/bin/sh\nlarge:x:4294967294:6::/:/bin/sh\n";
        for (user, expected) in [
            ("65535:65535", None),
            ("65536", Some(("user", 65_536))),
            ("4294967294:0", Some(("user", 4_294_967_294))),
            ("large", Some(("user", 4_294_967_294))),
            ("1:65536", Some(("group", 65_536))),
            ("1:big", Some(("group", 70_000))),
            ("many", Some(("group", 70_000))),
        ] {
            assert_eq!(identity(user, passwd, group).map(|who| who.unmapped()), Some(expected), "{user}");
        }
    }

    #[test]
    fn unknown_names_are_refused() {
        assert_eq!(found("nobody-here"), None);
        assert_eq!(found("root:nobody-here"), None);
        assert_eq!(identity("root", "", "").map(|root| root.uid), Some(0));
    }
}
