//! Which owners files of this store can have.
//!
//! Whoever is not root of the machine has a map of ids (user_namespaces(7)), and no file can be given to an id outside of it.
//! Must not know: archives.

use std::path::Path;

use sinter_graph::FsError;
use sinter_graph::tree::Entry;

/// The ids of this process.
pub(super) struct Owners {
    users: Ids,
    groups: Ids,
}

impl Owners {
    /// What the kernel says they are.
    pub(super) fn of_this_process() -> Result<Self, FsError> {
        let read = |path: &str| {
            let map = std::fs::read_to_string(path).map_err(|error| FsError::new(Path::new(path), "read", error))?;
            Ok::<_, FsError>(Ids::new(&map))
        };
        Ok(Self { users: read("/proc/self/uid_map")?, groups: read("/proc/self/gid_map")? })
    }

    /// # Errors
    /// Why an entry cannot have its owners.
    pub(super) fn check(&self, entry: &Entry) -> Result<(), String> {
        self.users.check(entry.uid, "user")?;
        self.groups.check(entry.gid, "group")
    }
}

/// First and last of each extent.
struct Ids(Vec<(u64, u64)>);

impl Ids {
    fn new(map: &str) -> Self {
        let extent = |line: &str| {
            let mut numbers = line.split_whitespace().map(str::parse::<u64>);
            let (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) = (numbers.next(), numbers.next(), numbers.next())
            else {
                return None;
            };
            Some((first, first.saturating_add(count).checked_sub(1)?))
        };
        let mut extents: Vec<(u64, u64)> = map.lines().filter_map(extent).collect();
        extents.sort_unstable();
        extents.dedup_by(|next, last| {
            let is_neighbour = next.0 == last.1 + 1;
            if is_neighbour {
                last.1 = next.1;
            }
            is_neighbour
        });
        Self(extents)
    }

    fn check(&self, id: u32, what: &str) -> Result<(), String> {
        if self.0.iter().any(|&(first, last)| (first..=last).contains(&u64::from(id))) {
            return Ok(());
        }
        if id == u32::MAX {
            return Err(no_id(what, u64::from(id)));
        }
        let extents: Vec<String> = self.0.iter().map(|(first, last)| format!("{first}-{last}")).collect();
        Err(format!(
            "belongs to {what} {id}; files of this store can have {} only, those of root's any",
            extents.join(", ")
        ))
    }
}

/// What to say of a number that is no id: the largest one means "as it is" to the kernel.
pub(super) fn no_id(what: &str, number: u64) -> String {
    format!("belongs to {what} {number}, and no system has one above {}", u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_outside_of_the_map_are_named() {
        let root = "         0          0 4294967295\n";
        let user = "0 1000 1\n1 100000 65535\n";
        let apart = "5 1000 1\n0 100000 4\n";
        for (map, id, expected) in [
            (root, 4_294_967_294, None),
            (root, u32::MAX, Some("belongs to user 4294967295, and no system has one above 4294967294")),
            (user, 65_535, None),
            (
                user,
                65_536,
                Some("belongs to user 65536; files of this store can have 0-65535 only, those of root's any"),
            ),
            (apart, 5, None),
            (apart, 4, Some("belongs to user 4; files of this store can have 0-3, 5-5 only, those of root's any")),
        ] {
            assert_eq!(Ids::new(map).check(id, "user").err().as_deref(), expected, "{map} {id}");
        }
    }
}
