//! What a registry asks for: the header `WWW-Authenticate` (RFC 9110, 11.6.1; distribution, "Token Authentication").

/// How to get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// With a name and a password.
    Basic,
    /// With a token of a server.
    Bearer {
        /// The address of that server.
        realm: String,
        /// Who it is for.
        service: Option<String>,
        /// What for, as the registry sees it.
        scope: Option<String>,
    },
}

/// The challenges of one header, those that are known.
pub(super) fn parse(header: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut current: Option<(String, Vec<(String, String)>)> = None;
    for item in items(header) {
        match item {
            Item::Scheme(scheme) => {
                found.extend(current.take().and_then(known));
                current = Some((scheme, Vec::new()));
            }
            Item::Parameter(name, value) => {
                if let Some((_, parameters)) = &mut current {
                    parameters.push((name, value));
                }
            }
        }
    }
    found.extend(current.and_then(known));
    found
}

fn known((scheme, parameters): (String, Vec<(String, String)>)) -> Option<Challenge> {
    let get = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    match scheme.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer { realm: get("realm")?, service: get("service"), scope: get("scope") }),
        _ => None,
    }
}

enum Item {
    Scheme(String),
    Parameter(String, String),
}

/// Words are schemes, unless an equals sign follows.
fn items(header: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        if end == 0 && !rest.starts_with('=') {
            return items;
        }
        let word = rest[..end].to_ascii_lowercase();
        rest = &rest[end..];
        let Some(value) = rest.trim_start().strip_prefix('=') else {
            items.push(Item::Scheme(word));
            continue;
        };
        let (value, after) = value_of(value.trim_start());
        items.push(Item::Parameter(word, value));
        rest = after;
    }
}

/// A token or a quoted string, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let (mut value, mut escaped) = (String::new(), false);
    for (index, character) in quoted.char_indices() {
        match character {
            _ if escaped => {
                value.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &quoted[index + 1..]),
            character => value.push(character),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Challenge::Bearer { realm: realm.to_owned(), service: owned(service), scope: owned(scope) }
    }

    #[test]
    fn challenges_are_read() {
        for (header, expected) in [
            ("", vec![]),
            ("Basic realm=\"x\"", vec![Challenge::Basic]),
            ("basic", vec![Challenge::Basic]),
            (
                "Bearer realm=\"https://auth.example.org/token\",service=\"reg\",scope=\"repository:a/b:pull,push\"",
                vec![bearer("https://auth.example.org/token", Some("reg"), Some("repository:a/b:pull,push"))],
            ),
            ("Bearer realm=https://a, error=\"insufficient_scope\"", vec![bearer("https://a", None, None)]),
            (
                "Negotiate, Basic realm=\"a\\\"b, c\", Bearer realm=\"r\"",
                vec![Challenge::Basic, bearer("r", None, None)],
            ),
            ("Bearer service=\"no realm\"", vec![]),
            ("Bearer realm=\"never closed", vec![bearer("never closed", None, None)]),
            ("=,=,\"", vec![]),
        ] {
            assert_eq!(parse(header), expected, "{header}");
        }
    }
}
