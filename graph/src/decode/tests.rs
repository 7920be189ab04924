//! What is read back, and that nothing else is, data-driven.

use super::*;
use crate::encode::Encoder;

/// One of each kind of value.
fn example() -> Vec<u8> {
    let mut e = Encoder::new("test");
    e.field("a").bytes(&[1, 2]).text("é").integer(7);
    e.field("l").list([1, 2].into_iter(), |e, item| {
        e.integer(item);
    });
    e.texts_field("t", &["x"]);
    e.optional_text_field("o", Some("y"));
    e.text_map_field("m", &BTreeMap::from([("k".to_owned(), "v".to_owned()), ("l".to_owned(), String::new())]));
    e.field("z").integer(1);
    e.finish()
}

#[derive(Debug, PartialEq)]
struct Example {
    bytes: [u8; 2],
    text: String,
    integer: u32,
    list: Vec<u64>,
    texts: Vec<String>,
    optional: Option<String>,
    map: BTreeMap<String, String>,
    last: u64,
}

fn read(bytes: &[u8]) -> Result<Example, DecodeError> {
    let mut d = Decoder::new(bytes, "test")?;
    let example = Example {
        bytes: d.field("a")?.array()?,
        text: d.text()?.to_owned(),
        integer: d.small_integer()?,
        list: d.field("l")?.list(Decoder::integer)?,
        texts: d.texts_field("t")?,
        optional: d.optional_text_field("o")?,
        map: d.text_map_field("m")?,
        last: d.field("z")?.integer()?,
    };
    d.finish()?;
    Ok(example)
}

fn encoded(write: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut e = Encoder::new("test");
    write(&mut e);
    e.finish()
}

#[test]
fn written_document_reads_back() {
    let example = read(&example()).expect("it was written by the encoder");
    assert_eq!((example.bytes, example.text.as_str(), example.integer), ([1, 2], "é", 7));
    assert_eq!((example.list, example.texts), (vec![1, 2], vec!["x".to_owned()]));
    assert_eq!((example.optional.as_deref(), example.map.len()), (Some("y"), 2));
}

#[test]
fn other_domains_and_formats_are_refused() {
    let refused =
        |bytes: &[u8]| Decoder::new(bytes, "test").map(|_| ()).map_err(|error| (error.offset, error.expected));
    assert_eq!(refused(&Encoder::new("other").finish()), Err((0, "the domain `test`".to_owned())));
    let mut other = Encoder::new("test").finish();
    other[14] = 99;
    assert_eq!(refused(&other), Err((13, format!("format {FORMAT}"))));
    for bytes in [&b""[..], b"\x02", &[2; 9], &[0xff; 40]] {
        assert_eq!(refused(bytes), Err((0, "the domain `test`".to_owned())), "{bytes:?}");
    }
}

/// `start` is where the first value of a document begins.
#[test]
fn what_was_not_written_is_refused_at_its_place() {
    type Read = fn(&mut Decoder<'_>) -> Result<(), DecodeError>;
    let start = encoded(|_| {}).len();
    let cases: [(&str, Vec<u8>, Read); 12] = [
        ("a byte string", encoded(|e| _ = e.integer(1)), |d| d.bytes().map(drop)),
        ("a number", encoded(|e| _ = e.bytes(b"")), |d| d.integer().map(drop)),
        ("a number below 2^32", encoded(|e| _ = e.integer(1 << 32)), |d| d.small_integer().map(drop)),
        ("2 bytes", encoded(|e| _ = e.bytes(b"abc")), |d| d.array::<2>().map(drop)),
        ("text in UTF-8", encoded(|e| _ = e.bytes(&[0xff])), |d| d.text().map(drop)),
        ("the field `a`", encoded(|e| _ = e.field("b").text("")), |d| d.field("a").map(drop)),
        ("the field `a`", encoded(|e| _ = e.text("a")), |d| d.field("a").map(drop)),
        ("the field `a`", encoded(|_| {}), |d| d.field("a").map(drop)),
        ("a list that fits", [encoded(|_| {}), vec![4], vec![0xff; 8]].concat(), |d| d.texts().map(drop)),
        ("a list that fits", [encoded(|_| {}), vec![4, 1], vec![0; 15]].concat(), |d| d.texts().map(drop)),
        ("the end", encoded(|e| _ = e.text("a")), |d| d.clone().finish()),
        ("a platform", encoded(|e| _ = e.text("linux/amd64/v1")), |d| {
            d.parsed::<crate::platform::Platform>("a platform").map(drop)
        }),
    ];
    for (expected, bytes, read) in cases {
        let error = Decoder::new(&bytes, "test").and_then(|mut d| read(&mut d)).expect_err(expected);
        assert!(error.offset == start && error.expected.starts_with(expected), "{expected}: {error}");
    }
}

#[test]
fn second_encodings_are_refused() {
    let pairs = |pairs: &[(&str, &str)]| {
        encoded(|e| {
            e.field("m").list(pairs.iter(), |e, (name, value)| {
                e.text(name).text(value);
            });
        })
    };
    for bytes in [
        pairs(&[("b", ""), ("a", "")]),
        pairs(&[("a", ""), ("a", "")]),
        pairs(&[]),
        encoded(|e| _ = e.field("t").texts::<&str>(&[])),
    ] {
        let mut d = Decoder::new(&bytes, "test").expect("the domain");
        let read = d.texts_field("t").and_then(|_| d.text_map_field("m"));
        assert!(read.is_err(), "{read:?}");
    }
}

#[test]
fn no_damage_is_read_as_a_document() {
    let bytes = example();
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "cut to {length} bytes");
    }
    assert!(read(&[&bytes[..], &[0]].concat()).is_err());
    let whole = read(&bytes).expect("it was written by the encoder");
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            // A bit of a value gives another value; it must not be lost.
            assert_ne!(read(&damaged).ok().as_ref(), Some(&whole), "bit {bit} of byte {at}");
        }
    }
}
