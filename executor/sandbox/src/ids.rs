//! The ids of a sandbox: 0 to 65535, each the same inside and outside, so that files need no shifting.

use std::io;

use crate::error::SandboxError;
use crate::plan::ID_COUNT;
use crate::raw::ProcessId;

/// Maps the ids of a new user namespace, from outside.
///
/// # Errors
/// [`SandboxError::NoProc`], [`SandboxError::MapIds`].
pub(crate) fn map_ids(first: ProcessId) -> Result<(), SandboxError> {
    match write_maps(first) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => Err(SandboxError::NoProc),
        Err(source) => Err(SandboxError::MapIds { source }),
        Ok(()) => Ok(()),
    }
}

fn write_maps(first: ProcessId) -> io::Result<()> {
    for file in ["uid_map", "gid_map"] {
        let own = std::fs::read_to_string(format!("/proc/self/{file}"))?;
        std::fs::write(format!("/proc/{first}/{file}"), identity_map(&own)?)?;
    }
    Ok(())
}

/// The map of a new namespace, made from the map of this one (user_namespaces(7): first inside, first outside, count).
/// One extent for each of ours, because the kernel maps no extent through two.
fn identity_map(own: &str) -> io::Result<String> {
    let (mut map, mut covered) = (String::new(), 0);
    for line in own.lines() {
        let mut fields = line.split_whitespace().map(str::parse::<u32>);
        let (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let count = count.min(ID_COUNT.saturating_sub(first));
        if count > 0 {
            map.push_str(&format!("{first} {first} {count}\n"));
            covered += count;
        }
    }
    if covered < ID_COUNT {
        return Err(io::Error::other(format!("this process owns {covered} ids below {ID_COUNT}")));
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_map_follows_our_own() {
        for (own, expected) in [
            ("         0          0 4294967295\n", Some("0 0 65536\n")),
            ("0 1000 1\n1 100000 65535\n", Some("0 0 1\n1 1 65535\n")),
            ("0 1000 1\n1 100000 70000\n", Some("0 0 1\n1 1 65535\n")),
            ("0 100000 65536\n70000 1 5\n", Some("0 0 65536\n")),
            ("0 1000 1\n", None),
            ("1000 1000 1\n", None),
            ("", None),
        ] {
            assert_eq!(identity_map(own).ok().as_deref(), expected, "{own}");
        }
    }
}
