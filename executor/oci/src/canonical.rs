//! The one way this crate turns JSON values into bytes.
//!
//! Keys are sorted by bytes, there is no white space, numbers are integers. The bytes are hashed and the hash names
//! the image, so this must never change by accident; golden tests in `assemble` guard it.

use serde_json::{Map, Value};

/// Takes any value and gives its canonical bytes.
pub(crate) fn canonical_json(value: &Value) -> Vec<u8> {
    sorted(value).to_string().into_bytes()
}

// `serde_json` keeps keys sorted or in order of insertion, depending on a feature that any crate of the build may switch
// on. Inserting them in sorted order gives the same bytes either way.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            Value::Object(entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        leaf => leaf.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::canonical_json;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = json!({"b": [{"z": 1, "a": "\u{e9}\n"}], "a": {"y": null, "x": {}}});
        let expected = "{\"a\":{\"x\":{},\"y\":null},\"b\":[{\"a\":\"\u{e9}\\n\",\"z\":1}]}";
        assert_eq!(String::from_utf8(canonical_json(&value)).as_deref(), Ok(expected));
    }
}
