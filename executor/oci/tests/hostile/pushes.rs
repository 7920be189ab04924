//! Registries that take what they are sent, or say so.

use super::Act::{Delete, Mount, Push, PushLarge, Put};
use super::{After, Answer, At, BASIC, Case, Fails, Gives, answer, case, challenge, digest, location, said};

const WRONG: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

pub(super) fn cases() -> Vec<Case> {
    mounts().into_iter().chain(sessions()).chain(locations()).chain(uploads()).chain(pieces()).collect()
}

/// A registry without the blob that knows us, and opens sessions at a place.
fn opens(at: &At<'_>, place: &str) -> Answer {
    match at.asked.method.as_str() {
        _ if at.authorization() != BASIC => challenge("Basic"),
        "HEAD" => answer(404),
        "POST" => location(202, place),
        "PUT" => answer(201),
        _ => answer(405),
    }
}

/// The same, with an answer to the bytes.
fn takes(at: &At<'_>, put: impl Fn() -> Answer) -> Answer {
    if at.is("PUT") && at.authorization() == BASIC { put() } else { opens(at, "/upload") }
}

/// The same, with an answer to mounting.
fn mounting(at: &At<'_>, mount: impl Fn() -> Answer) -> Answer {
    if at.asked.target.contains("mount=") && at.authorization() == BASIC { mount() } else { opens(at, "/upload") }
}

fn mounts() -> Vec<Case> {
    vec![
        case("mount", Mount, Gives("Mounted"), 4, |at| mounting(at, || answer(201))),
        case("mount declined with a session", Mount, Gives("Sent"), 6, |at| {
            mounting(at, || location(202, "/v2/x/session"))
        }),
        case("mount declined without a session", Mount, Gives("Sent"), 7, |at| mounting(at, || answer(202))),
        case("mount declined to a doubtful place", Mount, Gives("Sent"), 7, |at| {
            mounting(at, || location(202, "http://me:hidden@127.0.0.1:1/"))
        }),
        case("mount that is not known", Mount, Gives("Sent"), 7, |at| mounting(at, || answer(404))),
        case("mount that is not allowed", Mount, Gives("Sent"), 7, |at| mounting(at, || answer(405))),
        case("mount from what one may not see", Mount, Gives("Sent"), 7, |at| mounting(at, || answer(403))),
        case("mount that fails", Mount, Gives("Sent"), 10, |at| mounting(at, || said(500, "retry-after", "0"))),
        case("mount of another digest", Mount, Gives("Mounted"), 4, |at| {
            // What is missing is noticed when the manifest is put.
            mounting(at, || said(201, "docker-content-digest", WRONG))
        }),
    ]
}

fn sessions() -> Vec<Case> {
    vec![
        case("blob that is there", Push, Gives("Present"), 1, |_| answer(200)),
        case("session without a place", Push, Fails("without saying where"), 4, |at| match at.asked.method.as_str() {
            "POST" if at.authorization() == BASIC => answer(202),
            _ => opens(at, ""),
        }),
        case("session with an empty place", Push, Fails("without saying where"), 4, |at| opens(at, "")),
        case("session of another status", Push, Fails("answered 200 to post of x"), 4, |at| match at.is("POST") {
            true if at.authorization() == BASIC => answer(200),
            _ => opens(at, "/upload"),
        }),
        case("session that is sent elsewhere", Push, Fails("answered 307 to post of x"), 4, |at| match at.is("POST") {
            true if at.authorization() == BASIC => location(307, &format!("{}/", at.other)),
            _ => opens(at, "/upload"),
        }),
        case("session that is denied", Push, Fails("denies access to x"), 4, |at| match at.is("POST") {
            true => challenge("Basic"),
            false => opens(at, "/upload"),
        }),
        case("session that is asked for in vain", Push, Fails("answered 503"), 8, |at| match at.is("POST") {
            true if at.authorization() == BASIC => said(503, "retry-after", "0"),
            _ => opens(at, "/upload"),
        }),
    ]
}

fn locations() -> Vec<Case> {
    vec![
        case("place on the host", Push, Gives("Sent"), 6, |at| opens(at, "/upload")),
        case("place beside", Push, Gives("Sent"), 6, |at| match at.is("PUT ") {
            true if !at.is("PUT /v2/x/blobs/uploads/session?digest=sha256%3A") => answer(400),
            _ => opens(at, "session"),
        }),
        case("place with its host", Push, Gives("Sent"), 6, |at| opens(at, &format!("{}/upload", at.own))),
        case("place with a state", Push, Gives("Sent"), 6, |at| match at.is("PUT ") {
            true if !at.is("PUT /up?_state=a%2Fb&digest=sha256%3A") => answer(400),
            _ => opens(at, "/up?_state=a%2Fb#fragment"),
        }),
        case("place that names another in its state", Push, Gives("Sent"), 6, |at| {
            opens(at, &format!("/up?back={}/", at.other))
        }),
        case("place on another host", Push, Gives("Sent"), 6, |at| opens(at, &format!("{}/upload", at.other)))
            .and(|_| answer(201)),
        case("place on another host that wants a password", Push, Fails("answered 401 to put of x at "), 6, |at| {
            opens(at, &format!("{}/upload", at.other))
        })
        .and(|_| challenge("Basic realm=\"give it to me\"")),
        case("place on another host that wants a token", Push, Fails("answered 401 to put of x at "), 6, |at| {
            opens(at, &at.other.replace("http:", ""))
        })
        .and(|at| challenge(&format!("Bearer realm=\"{}/token\"", at.other))),
        case("place with a user", Push, Fails("a doubtful one"), 4, |at| {
            opens(at, &at.own.replace("http://", "http://me:hidden@"))
        }),
        case("place with the host for a user", Push, Fails("a doubtful one"), 4, |at| {
            opens(at, &format!("{}@{}/", at.own, at.other.trim_start_matches("http://")))
        }),
        case("place with a backslash", Push, Fails("a doubtful one"), 4, |at| {
            opens(at, &format!("{}\\@{}/", at.own, at.other.trim_start_matches("http://")))
        }),
        case("place that only begins like the host", Push, Gives("Sent"), 6, |at| {
            // `127.0.0.1:PORT.` would be no number; the path looks like the host instead.
            opens(at, &format!("{}/{}", at.other, at.own.trim_start_matches("http://")))
        })
        .and(|_| answer(201)),
        case("place in the files", Push, Fails("sends us to"), 4, |at| opens(at, "file:///tmp/x")),
        case("place with path tricks", Push, Gives("Sent"), 6, |at| opens(at, "/v2/x/../../../upload")),
        case("place that is long", Push, Fails("a doubtful one"), 4, |at| opens(at, &"/x".repeat(10_000))),
    ]
}

fn uploads() -> Vec<Case> {
    vec![
        case("bytes cut once", Push, Gives("Sent"), 12, |at| match at.is("PUT") {
            true if at.again == 0 => Answer::raw("").then(After::Cut),
            // A session that broke is no good any more.
            true if at.is("PUT /upload0") => answer(404),
            _ => opens(at, if at.is("POST") && at.again <= 1 { "/upload0" } else { "/upload1" }),
        }),
        case("bytes cut each time", Push, Fails("cannot be read"), 24, |at| match at.is("PUT") {
            true => Answer::raw("").then(After::Cut),
            false => opens(at, "/upload"),
        }),
        case("bytes taken and the answer lost", Push, Gives("Sent"), 8, |at| match at.asked.method.as_str() {
            "PUT" => Answer::raw(""),
            "HEAD" if at.again > 1 => answer(200),
            _ => opens(at, "/upload"),
        }),
        case("session that is always lost", Push, Fails("answered 404 to put of x"), 24, |at| {
            takes(at, || answer(404))
        }),
        case("bytes of another digest", Push, Fails("says that it has sha256:00"), 6, |at| {
            takes(at, || said(201, "docker-content-digest", WRONG))
        }),
        case("bytes of the same digest", Push, Gives("Sent"), 6, |at| {
            takes(at, || said(201, "docker-content-digest", &digest().to_string()))
        }),
        case("bytes that are refused", Push, Fails("digest did not match (DIGEST_INVALID)"), 6, |at| {
            takes(at, || {
                Answer::new(400, &[], r#"{"errors":[{"code":"DIGEST_INVALID","message":"digest did not match"}]}"#)
            })
        }),
        case("bytes that are too many", Push, Fails("answered 413"), 6, |at| takes(at, || answer(413))),
        case("bytes that are too many before they are sent", Push, Fails("x"), 24, |at| {
            takes(at, || answer(413).then(After::Cut))
        }),
        case("bytes that are sent elsewhere", Push, Fails("answered 307"), 6, |at| match at.is("PUT") {
            true if at.authorization() == BASIC => location(307, &format!("{}/", at.other)),
            _ => opens(at, "/upload"),
        }),
        case("bytes that are not quite taken", Push, Fails("answered 202 to put of x"), 6, |at| {
            takes(at, || answer(202))
        }),
        case("manifest of another digest than sent", Put, Fails("says that it has sha256:00"), 2, |at| {
            takes(at, || said(201, "docker-content-digest", WRONG))
        }),
        case("manifest that is refused", Put, Fails("blob unknown"), 5, |at| {
            takes(at, || Answer::new(404, &[], r#"{"errors":[{"message":"blob unknown"}]}"#))
        }),
        case("manifest that is sent elsewhere", Put, Fails("answered 302"), 2, |at| match at.is("PUT") {
            true if at.authorization() == BASIC => location(302, &format!("{}/", at.other)),
            _ => opens(at, "/upload"),
        }),
        case("manifest that stays", Delete, Fails("answered 405 to delete of x"), 2, |at| opens(at, "/upload")),
    ]
}

/// A blob that goes in two pieces, whose first one breaks off; asked how far it came, the registry says so.
fn came(at: &At<'_>, state: impl Fn() -> Answer) -> Answer {
    match at.asked.method.as_str() {
        "PATCH" => Answer::raw("").then(After::Cut),
        "GET" if at.authorization() == BASIC => state(),
        _ => opens(at, "/upload"),
    }
}

fn pieces() -> Vec<Case> {
    const LIES: &str = "more of a blob than it was sent";
    vec![
        case("pieces that never arrive", PushLarge, Fails("cannot be read"), 80, |at| {
            came(at, || said(204, "range", "0-0"))
        }),
        case("more than was sent", PushLarge, Fails(LIES), 10, |at| came(at, || said(204, "range", "0-99999999"))),
        case("more than can be counted", PushLarge, Fails(LIES), 10, |at| {
            came(at, || said(204, "range", "0-18446744073709551615"))
        }),
        case("session that forgets", PushLarge, Fails("answered 404 to get of x"), 40, |at| came(at, || answer(404))),
        case("session that moves to a doubtful place", PushLarge, Fails("a doubtful one"), 10, |at| {
            came(at, || Answer::new(204, &[("range", "0-0"), ("location", "http://me:hidden@127.0.0.1:1/")], ""))
        }),
    ]
}
