//! A lock in which git left both sides of a conflict.
//!
//! Pins are independent tables keyed by what was asked, so most conflicts are none: what only one side has, or both have
//! alike, stays. What the sides pin differently is dropped and asked again; a kind says itself what goes with it.

use super::{Lock, LockError};

/// Reads a lock with conflict markers: both sides, without what they contradict each other in.
///
/// # Errors
/// If one of the sides is no lock. Lines in the error count in that side alone.
pub(super) fn without_conflicts(text: &str) -> Result<Lock, LockError> {
    let ours = Lock::parse(&side(text, Side::Ours))?;
    let theirs = Lock::parse(&side(text, Side::Theirs))?;
    Ok(ours.joined(&theirs))
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
        lock.debian.insert_release("bookworm", DebianRelease { archives: vec![], essential }).expect("a release");
        for (name, version) in questions {
            let question = DebianQuestion::new("bookworm", &[(*name).to_owned()]);
            let packages = [("amd64".to_owned(), vec![package(version)])].into();
            lock.debian.insert_closure(question, DebianPin { packages }).expect("a closure");
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

    #[test]
    fn with_what_answers_depend_on_go_the_answers() {
        let (ours, mut theirs) = (lock(&[("aa", "1")]), lock(&[("aa", "1"), ("bb", "1")]));
        theirs.debian.insert_release("bookworm", DebianRelease::default()).expect("another release");
        assert_eq!(without_conflicts(&conflict(&ours, &theirs)), Ok(Lock::default()));
    }
}
