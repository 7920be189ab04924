//! Rules of the header that a reader cannot show; golden archives are in `tests/golden.rs`.

use super::*;

fn entry(path: &str, kind: Kind) -> Entry {
    Entry::new(TreePath::new(path).expect("a path"), kind, 0o644)
}

#[test]
fn record_lengths_count_themselves() {
    for rest in 0..2000 {
        let length = record_length(rest);
        assert_eq!(length, rest + length.to_string().len(), "{rest}");
    }
}

#[test]
fn names_split_at_the_first_fitting_slash() {
    let (long, short) = ("d".repeat(90), "n".repeat(60));
    let cases = [
        ("n".repeat(100), Some((100, 0))),
        ("n".repeat(101), None),
        (format!("{long}/{short}"), Some((60, 90))),
        (format!("a/b/{long}/{short}"), Some((60, 94))),
        (format!("{}/{}", "d".repeat(155), "n".repeat(100)), Some((100, 155))),
        (format!("{}/{}", "d".repeat(156), "n".repeat(99)), None),
        (format!("{}/", "d".repeat(100)), None),
        (format!("x/{}/", "d".repeat(99)), Some((100, 1))),
    ];
    for (name, expected) in cases {
        let split = split_name(name.as_bytes()).map(|(name, prefix)| (name.len(), prefix.len()));
        assert_eq!(split, expected, "{name}");
    }
}

#[test]
fn sizes_are_known_without_contents() {
    let content = ContentHash::of(b"");
    for (size, blocks) in [(0, 3), (1, 4), (512, 4), (513, 5)] {
        let manifest = Manifest::new([entry("file", Kind::File { size, content })]);
        assert_eq!(archive_size(&manifest).expect("a size"), blocks * 512, "{size}");
    }
    let huge = Manifest::new([entry("file", Kind::File { size: u64::MAX, content })]);
    assert_eq!(archive_size(&huge).expect("a size"), u64::MAX);
}

#[test]
fn content_must_be_what_is_recorded() {
    let content = ContentHash::of(b"abc");
    let manifest = Manifest::new([entry("file", Kind::File { size: 3, content })]);
    for (bytes, what) in [("ab", "the size"), ("abcd", "the size"), ("abd", "the content")] {
        let error = write_archive(&manifest, |_| Ok(bytes.as_bytes()), &mut io::sink()).expect_err(bytes);
        assert_eq!(error.to_string(), format!("file: {what} is not as recorded"));
    }
    write_archive(&manifest, |_| Ok(&b"abc"[..]), &mut io::sink()).expect("an archive");
}

#[test]
fn attributes_no_tar_can_hold_are_refused() {
    for (name, value, expected) in [("user.a=b", "x", "contains `=`"), ("user.a", "", "`user.a` is empty")] {
        let mut odd = entry("file", Kind::Directory);
        odd.xattrs.insert(name.as_bytes().into(), value.as_bytes().into());
        let error = archive_size(&Manifest::new([odd])).expect_err(name);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn numbers_too_large_go_to_the_extended_header() {
    let mut odd = entry("file", Kind::CharacterDevice { major: u32::MAX, minor: u32::MAX });
    (odd.uid, odd.gid, odd.mtime) = (u32::MAX, u32::MAX, -1);
    let blocks = header(&odd).expect("a header");
    let text = String::from_utf8_lossy(&blocks[BLOCK..2 * BLOCK]).into_owned();
    let text = text.trim_end_matches('\0');
    let expected = "29 SCHILY.devmajor=4294967295\n29 SCHILY.devminor=4294967295\n18 gid=4294967295\n12 mtime=-1\n\
                    18 uid=4294967295\n";
    assert_eq!(text.replace("29 ", "").replace("30 ", ""), expected.replace("29 ", ""));
}
