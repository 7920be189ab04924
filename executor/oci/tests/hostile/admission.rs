//! Registries that ask who one is: in circles, for somebody else, or so that nobody can answer.

use super::Act::{Push, Tag};
use super::{Answer, At, BASIC, Case, Fails, Gives, INDEX, answer, case, challenge, endless, location, ok, said};

pub(super) fn cases() -> Vec<Case> {
    challenges().into_iter().chain(tokens()).chain(realms()).collect()
}

/// A registry whose tokens come from the other server, and are `good`.
fn with_token(at: &At<'_>) -> Answer {
    if at.authorization() == "Bearer good" { ok(INDEX) } else { bearer(at, &format!("{}/token", at.other)) }
}

fn bearer(_: &At<'_>, realm: &str) -> Answer {
    challenge(&format!("Bearer realm=\"{realm}\",service=\"s\""))
}

fn token(at: &At<'_>) -> Answer {
    if at.authorization() == BASIC { ok(r#"{"token":"good"}"#) } else { answer(401) }
}

fn challenges() -> Vec<Case> {
    vec![
        case("password", Tag, Gives("an image"), 2, |at| {
            if at.authorization() == BASIC { ok(INDEX) } else { challenge("Basic realm=\"x\"") }
        }),
        case("password in circles", Tag, Fails("denies access to x"), 2, |_| challenge("Basic realm=\"x\"")),
        case("no challenge", Tag, Fails("denies access to x"), 1, |_| answer(401)),
        case("empty challenge", Tag, Fails("denies access to x"), 1, |_| challenge("")),
        case("unknown challenge", Tag, Fails("denies access to x"), 1, |_| challenge("Negotiate abc==")),
        case("garbage for a challenge", Tag, Fails("denies access to x"), 1, |_| {
            challenge("=,\"\\,=Bearer=\"\"\"realm,,,===")
        }),
        case("challenge without a place", Tag, Fails("denies access to x"), 1, |_| challenge("Bearer service=\"s\"")),
        case("long challenge", Tag, Fails("denies access to x"), 1, |_| challenge(&"Bearer a=b, ".repeat(5000))),
        case("lack of rights", Tag, Fails("denies access to x"), 1, |_| {
            Answer::new(403, &[], r#"{"errors":[{"code":"DENIED"}]}"#)
        }),
        case("lack of scope in circles", Tag, Fails("denies access to x"), 3, |at| {
            let realm = format!("Bearer realm=\"{}/token\",error=\"insufficient_scope\"", at.other);
            said(403, "www-authenticate", &realm)
        })
        .with_tokens(token),
        case("limit after a password", Tag, Fails("too many requests"), 8, |at| {
            if at.authorization() == BASIC {
                Answer::new(403, &[("retry-after", "0")], "API rate limit exceeded")
            } else {
                challenge("Basic realm=\"x\"")
            }
        }),
    ]
}

fn tokens() -> Vec<Case> {
    vec![
        case("token of another host", Tag, Gives("an image"), 3, with_token).with_tokens(token),
        case("token in circles", Tag, Fails("denies access to x"), 3, |at| bearer(at, &format!("{}/token", at.other)))
            .with_tokens(token),
        case("token with a line break", Tag, Fails("cannot stand in a header"), 2, with_token)
            .with_tokens(|_| ok(r#"{"token":"good\r\nX-Admin: yes"}"#)),
        case("token with a space", Tag, Fails("cannot stand in a header"), 2, with_token)
            .with_tokens(|_| ok(r#"{"access_token":"good bad"}"#)),
        case("token that is no text", Tag, Fails("gives no token"), 2, with_token)
            .with_tokens(|_| ok(r#"{"token":1}"#)),
        case("empty token", Tag, Fails("gives no token"), 2, with_token).with_tokens(|_| ok(r#"{"token":""}"#)),
        case("token that is no JSON", Tag, Fails("answers no JSON"), 2, with_token).with_tokens(|_| ok("hidden")),
        case("token without end", Tag, Fails("larger than the limit"), 2, with_token)
            .with_tokens(|_| endless("HTTP/1.1 200 x\r\n\r\n", b"x")),
        case("token longer than a header", Tag, Fails("denies access to x"), 3, with_token)
            .with_tokens(|_| ok(format!(r#"{{"token":"{}"}}"#, "x".repeat(10_000)))),
        case("token with odd life", Tag, Gives("an image"), 3, with_token)
            .with_tokens(|_| ok(r#"{"token":"good","expires_in":18446744073709551615}"#)),
        case("token server that denies", Tag, Fails("denies access to x"), 2, with_token).with_tokens(|_| answer(401)),
        case("token server that is gone", Tag, Fails("answered 404"), 2, with_token).with_tokens(|_| answer(404)),
        case("token server that fails", Tag, Fails("answered 500"), 8, with_token).with_tokens(|_| answer(500)),
        case("token server that fails once", Tag, Gives("an image"), 5, with_token)
            .with_tokens(|at| if at.again == 0 { answer(500) } else { token(at) }),
        case("token server that limits", Tag, Fails("too many requests"), 8, with_token)
            .with_tokens(|_| said(429, "retry-after", "0")),
        case("token server that breaks off", Tag, Fails("cannot be read"), 8, with_token)
            .with_tokens(|_| Answer::raw("")),
        case("token server that asks too", Tag, Fails("denies access to x"), 2, with_token)
            .with_tokens(|at| bearer(at, &format!("{}/token", at.own))),
        case("token server that sends on", Tag, Fails("denies access to x"), 3, |at| match at.is("GET /token") {
            // The other server is not the one that was named.
            true => location(302, &format!("{}/elsewhere", at.other)),
            false => bearer(at, &format!("{}/token", at.own)),
        })
        .and(token),
        case("token that ends in an upload", Push, Gives("Sent"), 9, |at| {
            let number: usize = at.authorization().strip_prefix("Bearer t").map_or(0, |n| n.parse().expect("a number"));
            match at.asked.method.as_str() {
                "HEAD" if number > 0 => answer(404),
                "POST" if number > 1 => location(202, "/upload"),
                // Two were good, for looking and for beginning; the bytes are let in with the third.
                "PUT" if number > 2 => answer(201),
                _ => bearer(at, &format!("{}/token", at.other)),
            }
        })
        .with_tokens(|at| {
            // The second question for the same is the third in all.
            let number = if !at.asked.target.contains("push") { 1 } else { at.again + 2 };
            ok(format!(r#"{{"token":"t{number}"}}"#))
        }),
    ]
}

fn realms() -> Vec<Case> {
    const REASON: &str = "the place that it names for its tokens is not asked";
    vec![
        case("realm of files", Tag, Fails(REASON), 1, |at| bearer(at, "file:///etc/passwd")),
        case("realm with a user", Tag, Fails(REASON), 1, |at| {
            bearer(at, &at.other.replace("http://", "http://user:hidden@"))
        }),
        case("realm with a backslash", Tag, Fails(REASON), 1, |at| {
            let own = at.own.trim_start_matches("http://");
            bearer(at, &format!("{}\\\\@{own}/", at.other))
        }),
        case("realm with a space", Tag, Fails(REASON), 1, |at| bearer(at, &format!("{}/a b", at.other))),
        case("realm that is long", Tag, Fails(REASON), 1, |at| {
            bearer(at, &format!("{}/{}", at.other, "x".repeat(20_000)))
        }),
        case("realm that nobody serves", Tag, Fails("asked for a token of 127.0.0.1:"), 4, |at| {
            bearer(at, "http://127.0.0.1:1/token")
        }),
        case("realm beside", Tag, Gives("an image"), 3, |at| match at.line.as_str() {
            line if line.starts_with("GET /token?service=s&scope=") => token(at),
            _ if at.authorization() == "Bearer good" => ok(INDEX),
            _ => bearer(at, "/token"),
        }),
    ]
}
