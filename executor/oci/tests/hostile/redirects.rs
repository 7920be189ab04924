//! Registries that send us elsewhere.

use super::Act::{Digest, Download, Has, Manifest, Small, Tag};
use super::{Answer, At, BASIC, Case, Fails, Gives, INDEX, answer, blob, case, challenge, location, ok};

pub(super) fn cases() -> Vec<Case> {
    elsewhere().into_iter().chain(nowhere()).collect()
}

/// A registry that knows us, and sends us to a path of the other server.
fn sends(at: &At<'_>) -> Answer {
    if at.authorization() == BASIC { location(307, &format!("{}/there", at.other)) } else { challenge("Basic") }
}

fn elsewhere() -> Vec<Case> {
    vec![
        case("redirect", Small, Gives("there"), 3, sends).and(|_| ok(blob())),
        case("redirect of a file", Download, Gives("there"), 3, sends).and(|_| ok(blob())),
        case("redirect of a question", Has, Gives("there"), 3, sends).and(|_| ok("")),
        case("redirect of a question for a digest", Digest, Gives("there"), 6, sends).and(|_| ok(INDEX)),
        case("redirect to other bytes", Manifest, Fails("damaged or forged"), 3, sends).and(|_| ok("{}")),
        case("redirect of a file to other bytes", Download, Fails("is not what was expected"), 3, sends)
            .and(|_| ok(vec![0; blob().len()])),
        case("redirect to who wants a password", Small, Fails("answered 401 to get of x at "), 3, sends)
            .and(|_| challenge("Basic realm=\"give it to me\"")),
        case("redirect to who wants a token", Small, Fails("answered 401 to get of x at "), 3, sends)
            .and(|at| challenge(&format!("Bearer realm=\"{}/token\",service=\"s\"", at.other))),
        case(
            "redirect to who wants a token of the registry",
            Download,
            Fails("answered 401 to get of x at "),
            3,
            sends,
        )
        .and(|at| challenge(&format!("Bearer realm=\"{}/token\",service=\"s\"", at.own))),
        case("redirect to who denies", Download, Fails("answered 403 to get of x at "), 3, sends)
            .and(|_| Answer::new(403, &[], "<Error>expired</Error>")),
        case("redirect there and back", Small, Fails("denies access to x"), 5, |at| match at.line.as_str() {
            "GET /back" => challenge("Basic"),
            _ => sends(at),
        })
        .and(|at| location(302, &format!("{}/back", at.own))),
    ]
}

fn nowhere() -> Vec<Case> {
    vec![
        case("redirect to itself", Tag, Fails("redirects more than"), 11, |at| location(302, &at.asked.target)),
        case("redirect to and fro", Small, Fails("redirects more than"), 11, |at| {
            location(301, &format!("{}/x", at.other))
        })
        .and(|at| location(308, &format!("{}/y", at.own))),
        case("redirect that grows", Small, Fails("redirects more than"), 11, |at| {
            location(302, &format!("{}x", at.asked.target))
        }),
        case("redirect without a place", Small, Fails("answered 302"), 1, |_| answer(302)),
        case("redirect to an empty place", Small, Fails("answered 302"), 1, |_| location(302, "")),
        case("redirect with a user", Small, Fails("a doubtful one"), 1, |at| {
            location(302, &at.other.replace("http://", "http://me:hidden@"))
        }),
        case("redirect with a backslash", Small, Fails("a doubtful one"), 1, |at| {
            let own = at.own.trim_start_matches("http://");
            location(302, &format!("{}\\@{own}/", at.other))
        }),
        case("redirect to a file", Small, Fails("cannot be read: it sends us to"), 1, |_| {
            location(302, "file:///etc/passwd")
        }),
        case("redirect to another protocol", Small, Fails("which is not followed"), 1, |_| {
            location(302, "ftp://localhost/x")
        }),
        case("redirect with a line break", Small, Fails("cannot be read"), 4 * 2, |_| {
            location(302, "/x\r X-Admin: yes")
        }),
        case("redirect to a port that is none", Small, Fails("no address"), 1, |_| {
            location(302, "http://127.0.0.1:x/")
        }),
        case("redirect to a long place", Small, Fails("a doubtful one"), 1, |_| location(302, &"/x".repeat(10_000))),
        case("redirect to who speaks no TLS", Small, Fails("cannot be read"), 8, |at| {
            location(302, &at.other.replace("http://", "https://"))
        }),
        case("redirect to nobody", Small, Fails("cannot be read"), 4, |_| location(302, "http://127.0.0.1:1/")),
    ]
}
