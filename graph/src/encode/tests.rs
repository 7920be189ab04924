//! That encodings are unambiguous, shown without the decoder.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::{configuration, rounds, step_document, text};

fn encode(write: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut encoder = Encoder::new("test");
    write(&mut encoder);
    encoder.finish()
}

#[test]
fn neighbours_cannot_flow_into_each_other() {
    let documents = [
        encode(|e| {
            e.text("ab").text("c");
        }),
        encode(|e| {
            e.text("a").text("bc");
        }),
        encode(|e| {
            e.text("abc");
        }),
        encode(|e| {
            e.field("ab").text("c");
        }),
        encode(|e| {
            e.texts_field("x", &["a", "b"]);
        }),
        encode(|e| {
            e.texts_field("x", &["a"]).text("b");
        }),
        encode(|e| {
            e.field("x").text("a").text("b");
        }),
    ];
    for (i, left) in documents.iter().enumerate() {
        for right in &documents[i + 1..] {
            assert_ne!(left, right);
        }
    }
}

#[test]
fn domains_keep_equal_documents_apart() {
    assert_ne!(Encoder::new("a").hash(), Encoder::new("b").hash());
}

#[test]
fn default_fields_are_not_written() {
    assert_eq!(
        encode(|e| {
            e.optional_text_field("user", None);
        }),
        encode(|_| {})
    );
}

/// What the bytes of any document are made of.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Field(Vec<u8>),
    Bytes(Vec<u8>),
    Integer(u64),
    List(u64),
}

/// Takes bytes apart by their tags alone, knowing no document; gives what it could not take as well.
fn parse(mut bytes: &[u8]) -> (Vec<Value>, &[u8]) {
    let mut values = Vec::new();
    while let Some((value, rest)) = parse_one(bytes) {
        values.push(value);
        bytes = rest;
    }
    (values, bytes)
}

fn parse_one(bytes: &[u8]) -> Option<(Value, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (number, rest) = rest.split_first_chunk()?;
    let number = u64::from_le_bytes(*number);
    let sized = || rest.split_at_checked(usize::try_from(number).ok()?);
    match tag {
        TAG_FIELD => sized().map(|(name, rest)| (Value::Field(name.to_vec()), rest)),
        TAG_BYTES => sized().map(|(value, rest)| (Value::Bytes(value.to_vec()), rest)),
        TAG_INTEGER => Some((Value::Integer(number), rest)),
        TAG_LIST => Some((Value::List(number), rest)),
        _ => None,
    }
}

/// Writes the values again, with the encoder.
fn write(values: &[Value]) -> Vec<u8> {
    let mut e = Encoder { bytes: Vec::new() };
    for value in values {
        match value {
            Value::Field(name) => e.field(std::str::from_utf8(name).expect("names are text")),
            Value::Bytes(bytes) => e.bytes(bytes),
            Value::Integer(number) => e.integer(*number),
            Value::List(count) => e.list(0..u32::try_from(*count).expect("a short list"), |_, _| {}),
        };
    }
    e.finish()
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(|name| Value::Field(name.into_bytes())),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
        any::<u64>().prop_map(Value::Integer),
        (0..5_u64).prop_map(Value::List),
    ]
}

proptest! {
    #![proptest_config(rounds(500))]

    /// Two different sequences of calls never give the same bytes: the bytes give the calls back.
    #[test]
    fn any_sequence_of_values_is_found_again(values in proptest::collection::vec(value(), 0..12)) {
        let bytes = write(&values);
        prop_assert_eq!(parse(&bytes), (values, &b""[..]));
    }

    #[test]
    fn documents_consist_of_values_and_nothing_else(step in step_document(), configuration in configuration()) {
        let mut e = Encoder::new("test");
        configuration.encode(&mut e);
        for bytes in [step.encode(), e.finish()] {
            let (values, rest) = parse(&bytes);
            prop_assert!(rest.is_empty());
            prop_assert_eq!(write(&values), bytes);
        }
    }
}
