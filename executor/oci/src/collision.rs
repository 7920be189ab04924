//! Finds, before anything is built, results of one build that would replace each other.
//!
//! Must not know: what is written, what lies at a destination.

use std::path::{Component, Path, PathBuf};

use crate::destination::{Destination, DestinationError};
use crate::reference::shared_name;

/// Checks that what several targets are written to is several places, and that their images have several names.
///
/// # Errors
/// Names the first two that clash.
pub fn check_collisions(targets: &[String], destinations: &[Destination]) -> Result<(), DestinationError> {
    let named = destinations.iter().any(|destination| !matches!(destination, Destination::Directory(_)));
    if let Some((one, other, name)) = shared_name(targets).filter(|_| named) {
        return Err(DestinationError::SharedName { one: one.to_owned(), other: other.to_owned(), name });
    }
    let mut distinct: Vec<&String> = targets.iter().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let written: Vec<(Destination, PathBuf)> = distinct
        .iter()
        .flat_map(|target| destinations.iter().map(|destination| destination.for_target(target)))
        .map(|destination| (destination.clone(), place_of(&destination)))
        .collect();
    check_places(&written)
}

fn check_places(written: &[(Destination, PathBuf)]) -> Result<(), DestinationError> {
    for (index, (one, place)) in written.iter().enumerate() {
        // A place below a directory that is written would be taken for something foreign there.
        let clash = written[index + 1..].iter().find(|(_, other)| other.starts_with(place) || place.starts_with(other));
        if let Some((other, _)) = clash {
            return Err(DestinationError::SharedPlace { one: one.to_string(), other: other.to_string() });
        }
    }
    Ok(())
}

/// Where a destination is; a registry has places of its own, which no path is in.
fn place_of(destination: &Destination) -> PathBuf {
    match destination.path() {
        Some(path) => resolved(path),
        None => PathBuf::from(destination.reference().map_or(destination.to_string(), |image| image.to_string())),
    }
}

/// The path without links and dots as far as it exists, the rest as it is written.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing = absolute.ancestors().find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    let Some((ancestor, canonical)) = existing else { return absolute };
    let rest = absolute.strip_prefix(ancestor).unwrap_or(Path::new(""));
    rest.components().fold(canonical, |mut place, component| {
        match component {
            Component::ParentDir => drop(place.pop()),
            component => place.push(component),
        }
        place
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(targets: &[&str], destinations: &[&str]) -> Result<(), String> {
        let targets: Vec<String> = targets.iter().map(|target| (*target).to_owned()).collect();
        let destinations: Vec<Destination> =
            destinations.iter().map(|text| Destination::parse(text).expect("a destination")).collect();
        check_collisions(&targets, &destinations).map_err(|error| error.to_string())
    }

    #[test]
    fn clashes_name_both_sides() {
        for (targets, destinations, fragments) in [
            (vec!["web", "Web"], vec!["oci:out/{target}"], ["`web` and `Web`", "`web`"]),
            (vec!["a_b", "a__b"], vec!["dir:d/{target}", "docker-archive:{target}.tar"], ["`a_b` and `a__b`", "`a_b`"]),
            (vec!["web"], vec!["dir:out", "oci:./out"], ["dir:out", "oci:./out"]),
            (vec!["web"], vec!["docker://a/b", "docker://a/{target}", "docker://a/b"], ["docker://a/b", "one place"]),
            (vec!["web"], vec!["dir:out", "dir:out"], ["dir:out", "one place"]),
            (
                vec!["web"],
                vec!["oci-archive:web", "docker-archive:{target}"],
                ["oci-archive:web", "docker-archive:web"],
            ),
            (vec!["web"], vec!["dir:out", "oci:new/../out/web"], ["dir:out", "oci:new/../out/web"]),
        ] {
            let message = check(&targets, &destinations).expect_err("a clash");
            assert!(fragments.iter().all(|fragment| message.contains(fragment)), "{message}");
        }
    }

    #[test]
    fn separate_places_are_fine() {
        for (targets, destinations) in [
            (vec!["web", "Web"], vec!["dir:out/{target}"]),
            (vec!["web", "web"], vec!["oci:out"]),
            (vec!["web"], vec!["dir:out", "oci:out2", "oci-archive:out.tar"]),
            (vec!["web"], vec!["docker://a/b:1", "docker://a/b", "docker://a/b/c"]),
            (vec!["web", "db"], vec!["oci:out/{target}", "dir:tree/{target}"]),
            (vec![], vec!["dir:out"]),
        ] {
            assert_eq!(check(&targets, &destinations), Ok(()), "{targets:?} {destinations:?}");
        }
    }

    #[test]
    fn links_do_not_hide_a_clash() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("real")).expect("a directory");
        std::os::unix::fs::symlink("real", directory.path().join("link")).expect("a link");
        let at = |kind: &str, path: &str| format!("{kind}:{}", directory.path().join(path).display());
        assert!(check(&["web"], &[&at("dir", "real/new"), &at("oci", "link/new")]).is_err());
    }
}
