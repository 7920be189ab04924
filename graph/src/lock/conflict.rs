//! A lock in which git left both sides of a conflict.
//!
//! Pins are independent tables keyed by what was asked, so most conflicts are none: what only one side has, or both have
//! alike, stays. What the sides pin differently is dropped and asked again; closures of a suite must fit together, so with a
//! suite's release go all its closures.

use super::{Lock, LockError};

/// Reads a lock with conflict markers: both sides, without what they contradict each other in.
///
/// # Errors
/// If one of the sides is no lock. Lines in the error count in that side alone.
pub(super) fn without_conflicts(text: &str) -> Result<Lock, LockError> {
    let ours = Lock::parse(&side(text, Side::Ours))?;
    let theirs = Lock::parse(&side(text, Side::Theirs))?;
    let mut lock = ours.clone();
    for (suite, release) in &theirs.debian_releases {
        lock.debian_releases.entry(suite.clone()).or_insert_with(|| release.clone());
    }
    for (question, pin) in &theirs.debian {
        lock.debian.entry(question.clone()).or_insert_with(|| pin.clone());
    }
    let contradicted: Vec<String> = ours
        .debian_releases
        .iter()
        .filter(|(suite, release)| theirs.debian_releases.get(*suite).is_some_and(|other| other != *release))
        .map(|(suite, _)| suite.clone())
        .collect();
    lock.debian_releases.retain(|suite, _| !contradicted.contains(suite));
    lock.debian.retain(|question, _| !contradicted.contains(&question.suite));
    lock.debian.retain(|question, pin| {
        [&ours, &theirs].iter().all(|side| side.debian.get(question).is_none_or(|other| other == pin))
    });
    Ok(lock)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Ours,
    Theirs,
}

/// The text as one side had it. git writes `<<<<<<< `, with diff3 `||||||| `, then `=======` and `>>>>>>> `.
fn side(text: &str, wanted: Side) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut within: Option<Option<Side>> = None;
    for line in text.split_inclusive('\n') {
        match line.get(..7) {
            Some("<<<<<<<") => within = Some(Some(Side::Ours)),
            Some("|||||||") => within = Some(None),
            Some("=======") => within = Some(Some(Side::Theirs)),
            Some(">>>>>>>") => within = None,
            _ if within.is_none() || within == Some(Some(wanted)) => kept.push_str(line),
            _ => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::BlobDigest;
    use crate::lock::{DebianPin, DebianQuestion, DebianRelease, PinnedPackage};

    fn package(version: &str) -> PinnedPackage {
        PinnedPackage {
            name: "hello".to_owned(),
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            sha256: BlobDigest::of(version.as_bytes()),
            size: 1,
            path: format!("pool/main/h/hello/hello_{version}_amd64.deb"),
            archive: crate::lock::MAIN_ARCHIVE.to_owned(),
        }
    }

    fn lock(questions: &[(&str, &str)]) -> Lock {
        let mut lock = Lock::default();
        let essential = [("amd64".to_owned(), vec![])].into();
        lock.debian_releases.insert("bookworm".to_owned(), DebianRelease { archives: vec![], essential });
        for (name, version) in questions {
            let question = DebianQuestion::new("bookworm", &[(*name).to_owned()]);
            let packages = [("amd64".to_owned(), vec![package(version)])].into();
            lock.debian.insert(question, DebianPin { packages });
        }
        lock
    }

    fn conflict(ours: &Lock, theirs: &Lock) -> String {
        format!("<<<<<<< HEAD\n{}=======\n{}>>>>>>> branch\n", ours.render(), theirs.render())
    }

    #[test]
    fn what_one_side_added_stays() {
        let (ours, theirs) = (lock(&[("aa", "1"), ("bb", "1")]), lock(&[("aa", "1"), ("cc", "1")]));
        let both = lock(&[("aa", "1"), ("bb", "1"), ("cc", "1")]);
        assert_eq!(without_conflicts(&conflict(&ours, &theirs)), Ok(both));
    }

    #[test]
    fn what_the_sides_pin_differently_is_dropped() {
        let (ours, theirs) = (lock(&[("aa", "1"), ("bb", "1")]), lock(&[("aa", "2"), ("bb", "1")]));
        assert_eq!(without_conflicts(&conflict(&ours, &theirs)), Ok(lock(&[("bb", "1")])));
    }
}
