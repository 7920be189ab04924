//! Golden keys, and properties of the encoding.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::{rounds, step_document, with_one_field_of};

fn document() -> StepDocument {
    StepDocument {
        platform: "linux/amd64".parse().expect("a platform"),
        layers: vec![LayerDigest::from_bytes([1; 32])],
        files: None,
        script: "true\n".to_owned(),
        interpreter: vec!["sh".to_owned(), "-eu".to_owned()],
        env: base_environment(),
        uid: 0,
        gid: 0,
        groups: vec![],
        workdir: AbsolutePath::APP,
        keep: None,
        drop: Patterns::default(),
    }
}

fn patterns(include: &[&str], exclude: &[&str]) -> Patterns {
    let [include, exclude] = [include, exclude].map(|texts| texts.iter().map(|text| (*text).to_owned()));
    Patterns::new(include, exclude).expect("test patterns")
}

fn full() -> StepDocument {
    StepDocument {
        files: Some(FilesDigest::from_bytes([2; 32])),
        uid: 1000,
        gid: 100,
        groups: vec![4, 27],
        keep: Some(patterns(&["dist"], &["**/*.map"])),
        drop: patterns(&["/var/cache"], &[]),
        ..document()
    }
}

/// These keys are what every store and cache knows results by. One changes only together with [`crate::FORMAT`] or
/// [`SEMANTICS`], and then all of them do.
#[test]
fn golden_keys_guard_the_encoding() {
    assert_eq!((crate::FORMAT, SEMANTICS), (2, 2), "new numbers need new golden keys");
    for (document, golden) in [
        (document(), "3bd316ee6ed77125fab1bf9814ccfb5f392e107fc92fecf4c1682ca6e8410894"),
        (full(), "f11ea0be9be03ab387f9793131fd48a3e2c3838c81a892dbac66975146f32bb1"),
    ] {
        assert_eq!(document.key().hex(), golden);
    }
}

proptest! {
    #![proptest_config(rounds(500))]

    /// What can be read back is no other document's encoding.
    #[test]
    fn encoded_document_reads_back(document in step_document()) {
        prop_assert_eq!(StepDocument::decode(&document.encode()), Ok(document));
    }

    #[test]
    fn each_field_alone_moves_the_key(base in step_document(), other in step_document()) {
        let variants = with_one_field_of!(&base, &other, StepDocument {
            platform, layers, files, script, interpreter, env, uid, gid, groups, workdir, keep, drop
        });
        for (field, variant) in variants {
            prop_assert_eq!(variant.key() == base.key(), variant == base, "{}", field);
        }
    }

    /// Damage is refused, or it is the one encoding of another document.
    #[test]
    fn damaged_document_has_no_second_encoding(
        document in step_document(),
        at in any::<prop::sample::Index>(),
        with in proptest::collection::vec(any::<u8>(), 0..3),
        taken in 0..3_usize,
    ) {
        let mut bytes = document.encode();
        let start = at.index(bytes.len());
        let end = bytes.len().min(start + taken);
        bytes.splice(start..end, with);
        if let Ok(read) = StepDocument::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn any_bytes_decode_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let body = [&Encoder::new(DOMAIN).finish()[..], &bytes].concat();
        prop_assert!(StepDocument::decode(&body).is_err());
    }
}

#[test]
fn document_of_another_meaning_is_refused() {
    let mut e = Encoder::new(DOMAIN);
    e.field("semantics").integer(u64::from(SEMANTICS) + 1);
    let error = StepDocument::decode(&e.finish()).expect_err("it has other semantics");
    assert_eq!(error.expected, format!("semantics {SEMANTICS}"));
}
