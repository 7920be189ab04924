//! Values of `param`s as the command line gives them.

use std::sync::Arc;

use sinter_lang::types::Type;

use crate::value::Value;

/// The value of a param of type `ty` that was given as `text`. A list of text is separated by commas.
///
/// # Errors
/// What is wanted instead.
pub(crate) fn value(text: &str, ty: &Type) -> Result<Value, String> {
    match ty.required() {
        Type::Int => text.parse().map(Value::Int).map_err(|_| "a whole number is wanted".to_owned()),
        Type::Bool => text.parse().map(Value::Bool).map_err(|_| "`true` or `false` is wanted".to_owned()),
        Type::List(_) if text.is_empty() => Ok(Value::List(Arc::from([]))),
        Type::List(_) => Ok(Value::List(text.split(',').map(Value::str).collect())),
        _ => Ok(Value::str(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_a_value_of_the_type() {
        let words = Type::list(Type::Str);
        for (text, ty, expected) in [
            ("22", Type::Int, Some(Value::Int(22))),
            ("x", Type::Int, None),
            ("true", Type::Bool, Some(Value::Bool(true))),
            ("yes", Type::Bool, None),
            ("22", Type::optional(Type::Str), Some(Value::str("22"))),
            ("a,b", words.clone(), Some(Value::List(Arc::from([Value::str("a"), Value::str("b")])))),
            ("", words, Some(Value::List(Arc::from([])))),
        ] {
            assert_eq!(value(text, &ty).ok(), expected, "{text} {ty}");
        }
    }
}
