//! The client against servers that redirect, break off, answer beside the point, and say nothing.

#[path = "../../../tests/support/scripted_server.rs"]
mod scripted_server;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use scripted_server::{After, Answer, Asked, Server};
use sinter_graph::digest::BlobDigest;
use sinter_http::{Body, Expected, FetchError, Http, HttpRequest, Method, Patience, Trust};

const SECRET: &str = "Bearer secret";
const OK: &str = "HTTP/1.1 200 x\r\n";

fn ok(body: impl AsRef<[u8]>) -> Answer {
    Answer::new(200, &[], body)
}

fn secret(method: Method, url: String) -> HttpRequest<'static> {
    HttpRequest { authorization: Some(SECRET.to_owned()), ..HttpRequest::new(method, url) }
}

fn authorizations(server: &Server) -> Vec<Option<String>> {
    server.asked().iter().map(|asked| asked.header("authorization").map(str::to_owned)).collect()
}

/// What is not the same bytes everywhere.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from(index % 251).expect("a byte")).collect()
}

#[test]
fn redirects_take_secrets_to_no_other_origin() {
    for status in [301, 302, 303, 307, 308] {
        for method in [Method::Get, Method::Head] {
            // It gives back to where the first request came from, which is not asked with the secret again either.
            let other = Server::start(|asked, _| {
                let back = asked.target.split_once('=').map(|(_, back)| back.to_owned());
                back.map_or_else(|| ok("there"), |back| Answer::new(302, &[("location", &back)], ""))
            });
            let there = other.url("");
            let own: Arc<OnceLock<String>> = Arc::default();
            let home = own.clone();
            let first = Server::start(move |asked, _| match asked.target.as_str() {
                "/same" => Answer::new(status, &[("location", "here")], ""),
                "/other" => Answer::new(status, &[("location", &format!("{there}/x"))], ""),
                "/round" => {
                    let back = format!("{there}/x?back={}/here", home.get().expect("an address"));
                    Answer::new(status, &[("location", &back)], "")
                }
                _ => ok("here"),
            });
            own.set(first.url("")).expect("once");
            for (path, last) in [("/same", &first), ("/other", &other), ("/round", &first)] {
                let response = Http::new().send(secret(method, first.url(path))).expect(path);
                assert_eq!(response.status(), 200, "{path}");
                assert!(response.url().starts_with(&last.url("/")), "{path}: {}", response.url());
            }
            let some = || Some(SECRET.to_owned());
            assert_eq!(authorizations(&first), [some(), some(), some(), some(), None], "{status}");
            assert_eq!(authorizations(&other), [None, None], "{status}");
        }
    }
}

#[test]
fn only_reading_follows_redirects() {
    for method in [Method::Post, Method::Put, Method::Patch, Method::Delete] {
        let server = Server::start(|_, _| Answer::new(307, &[("location", "/elsewhere")], ""));
        let mut request = secret(method, server.url("/"));
        request.body = if method == Method::Delete { Body::Empty } else { Body::Bytes(b"body") };
        let response = Http::new().send(request).expect("an answer");
        assert_eq!((response.status(), server.asked().len()), (307, 1), "{method:?}");
        assert_eq!(response.location().expect("an address"), Some(server.url("/elsewhere")));
    }
}

#[test]
fn redirects_end_and_lead_to_addresses_only() {
    for (location, requests, reason) in [
        ("/again", 11, "redirects more than 10 times"),
        ("//user:hidden@127.0.0.1:1/", 1, "doubtful"),
        ("http://127.0.0.1:1\\@localhost/", 1, "doubtful"),
        ("file:///etc/passwd", 1, "sends us to"),
        ("http://127.0.0.1:99999/", 1, "sends us to"),
        ("ftp://localhost/x", 1, "which is not followed"),
    ] {
        let server = Server::start(move |_, _| Answer::new(302, &[("location", location)], ""));
        let error = Http::new().get(&server.url("/"), 10).expect_err(location).to_string();
        assert!(error.contains(reason) && error.contains(&server.host()), "{location}: {error}");
        assert!(!error.contains("hidden"), "{error}");
        assert_eq!(server.asked().len(), requests, "{location}");
    }
}

/// Answers as somebody who knows ranges, but sends no more than `most` bytes at once and then breaks off.
fn cut(asked: &Asked, content: &[u8], most: usize) -> Answer {
    let begin: usize = asked
        .header("range")
        .map_or(0, |range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().expect("a range"));
    let rest = &content[begin..];
    let (length, range) = (rest.len().to_string(), format!("bytes {begin}-{}/{}", content.len() - 1, content.len()));
    let mut headers = vec![("content-length", length.as_str())];
    if begin > 0 {
        headers.push(("content-range", &range));
    }
    Answer::new(if begin > 0 { 206 } else { 200 }, &headers, &rest[..rest.len().min(most)]).then(After::Close)
}

struct Download {
    result: Result<(), FetchError>,
    /// What is in the file afterwards.
    got: Option<Vec<u8>>,
    /// The sum of what was told.
    told: i64,
}

fn download(server: &Server, content: &[u8], before: &[u8]) -> Download {
    let directory = tempfile::tempdir().expect("a directory");
    let part = directory.path().join("part");
    if !before.is_empty() {
        std::fs::write(&part, before).expect("a part");
    }
    let expected = Expected { digest: BlobDigest::of(content), size: content.len() as u64 };
    let told = std::cell::Cell::new(0);
    let result = Http::new().download(&server.url("/x"), &part, &expected, &|bytes| told.set(told.get() + bytes));
    Download { result, got: std::fs::read(part).ok(), told: told.get() }
}

fn ranges(server: &Server) -> Vec<Option<String>> {
    server.asked().iter().map(|asked| asked.header("range").map(str::to_owned)).collect()
}

#[test]
fn downloads_go_on_where_they_were_cut() {
    let content = content(300_000);
    let whole = content.clone();
    let server = Server::start(move |asked, _| cut(asked, &whole, 70_000));
    let download = download(&server, &content, &content[..1000]);
    download.result.expect("a file");
    assert_eq!((download.got.as_deref(), download.told), (Some(content.as_slice()), 300_000));
    let expected = [1000, 71_000, 141_000, 211_000, 281_000].map(|begin| Some(format!("bytes={begin}-")));
    assert_eq!(ranges(&server), expected);
}

#[test]
fn ranges_that_were_not_asked_for_are_not_believed() {
    const SIZE: usize = 1000;
    for (name, begin, range) in [
        ("ignored", 0, None),
        ("from elsewhere", 700, Some("bytes 700-999/1000")),
        ("from the beginning", 0, Some("bytes 0-999/1000")),
        ("unsaid", 500, Some("")),
        ("odd", 500, Some("bytes */1000")),
        ("rubbish", 500, Some("lines 500-999/1000")),
        ("huge", 500, Some("bytes 99999999999999999999999-/1000")),
    ] {
        let content = content(SIZE);
        let whole = content.clone();
        let server = Server::start(move |asked, _| match (asked.header("range"), range) {
            (Some(_), Some("")) => Answer::new(206, &[], &whole[begin..]),
            (Some(_), Some(range)) => Answer::new(206, &[("content-range", range)], &whole[begin..]),
            _ => ok(&whole),
        });
        let download = download(&server, &content, &content[..500]);
        download.result.expect(name);
        assert_eq!((download.got, download.told), (Some(content), 1000), "{name}");
        assert!(server.asked().len() <= 2, "{name}");
    }
}

#[test]
fn parts_that_do_not_fit_are_fetched_again() {
    let content = content(1000);
    let longer = [content.as_slice(), b"more"].concat();
    for (name, before, requests) in [
        ("rubbish", &vec![7; 400], 2),
        ("complete rubbish", &vec![7; 1000], 1),
        ("too long", &longer, 1),
        ("complete", &content, 0),
    ] {
        let whole = content.clone();
        let server = Server::start(move |asked, _| cut(asked, &whole, usize::MAX));
        let download = download(&server, &content, before);
        download.result.expect(name);
        assert_eq!((download.got.as_ref(), download.told), (Some(&content), 1000), "{name}");
        assert_eq!(server.asked().len(), requests, "{name}");
    }
    // The server has less than the part: it says so, and is asked for all of it.
    let whole = content.clone();
    let server = Server::start(move |asked, _| match asked.header("range") {
        Some(_) => Answer::new(416, &[("content-range", "bytes */300")], ""),
        None => ok(&whole),
    });
    let download = download(&server, &content, &content[..500]);
    download.result.expect("a file");
    assert_eq!((download.got, ranges(&server).len()), (Some(content), 2));
}

#[test]
fn other_bytes_are_never_kept() {
    let content = content(1000);
    let changed = vec![9; 1000];
    let (longer, shorter) = ([content.as_slice(), b"x"].concat(), content[..999].to_vec());
    for (name, body, reason, keeps) in [
        ("changed", changed, "instead of sha256:", false),
        ("longer", longer, "more bytes instead of 1000 bytes", false),
        ("shorter", shorter, "it ended after 999 of 1000 bytes", true),
    ] {
        let server = Server::start(move |asked, _| cut(asked, &body, usize::MAX));
        let download = download(&server, &content, b"");
        let error = download.result.expect_err(name).to_string();
        assert!(error.contains(reason) && error.contains(&server.host()), "{name}: {error}");
        assert_eq!(download.got.is_some(), keeps, "{name}");
        assert!(server.asked().len() <= 5, "{name}: {:?}", ranges(&server));
    }
    // Of nothing only the digest can be wrong, and somebody is to blame for that.
    let server = Server::start(|_, _| ok(""));
    let expected = Expected { digest: BlobDigest::of(b"x"), size: 0 };
    let directory = tempfile::tempdir().expect("a directory");
    let result = Http::new().download(&server.url("/x"), &directory.path().join("part"), &expected, &|_| {});
    assert!(result.expect_err("wrong").to_string().contains(&server.host()));
}

#[test]
fn who_gets_no_further_gives_up() {
    // Sends more each second time, but never with a range: without memory of the farthest, that is progress for ever.
    let content = content(2_000_000);
    let whole = content.clone();
    let back_and_forth = Server::start(move |_, number| {
        let most = if number.is_multiple_of(2) { 500_000 } else { 600_000 };
        Answer::new(200, &[("content-length", "2000000")], &whole[..most]).then(After::Close)
    });
    let whole = content.clone();
    let byte_by_byte = Server::start(move |asked, _| cut(asked, &whole, 1));
    for server in [back_and_forth, byte_by_byte] {
        let error = download(&server, &content, b"").result.expect_err("no end").to_string();
        assert!(error.contains(&server.host()), "{error}");
        assert!(server.asked().len() <= 10, "{}", server.asked().len());
    }
}

#[test]
fn failures_that_may_pass_are_tried_again_when_the_server_says() {
    for (status, requests) in [(408, 2), (425, 2), (429, 2), (500, 2), (503, 2), (400, 1), (403, 1), (404, 1), (410, 1)]
    {
        let server = Server::start(move |_, number| match number {
            0 => Answer::new(status, &[("retry-after", "1")], ""),
            _ => ok("there"),
        });
        let began = Instant::now();
        let result = Http::new().get(&server.url("/"), 10);
        assert_eq!((result.is_ok(), server.asked().len()), (requests == 2, requests), "{status}");
        assert!(requests == 1 || began.elapsed() >= Duration::from_secs(1), "{status}");
    }
    let server = Server::start(|_, _| Answer::new(503, &[("retry-after", "0")], ""));
    let error = Http::new().get(&server.url("/"), 10).expect_err("never").to_string();
    assert!(error.contains("answered with status 503") && error.contains(&server.host()), "{error}");
    assert_eq!(server.asked().len(), 4);
}

#[test]
fn connections_are_used_again() {
    let server = Server::start(|_, _| ok("x"));
    let http = Http::new();
    for _ in 0..5 {
        assert_eq!(http.clone().get(&server.url("/"), 10).expect("an answer"), b"x");
    }
    assert_eq!((server.asked().len(), server.connections()), (5, 1));
    // A body that was not read to its end is in the way of the next answer: not on that connection.
    drop(http.send(HttpRequest::new(Method::Get, server.url("/"))).expect("an answer"));
    assert_eq!(http.get(&server.url("/"), 10).expect("an answer"), b"x");
    assert!(server.connections() <= 2);
}

#[test]
fn connections_that_the_server_closed_are_not_missed() {
    let server = Server::start(|_, _| ok("x").then(After::Close));
    let http = Http::new();
    for _ in 0..3 {
        assert_eq!(http.get(&server.url("/"), 10).expect("an answer"), b"x");
    }
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn offline_opens_no_socket() {
    let server = Server::start(|_, _| ok("x"));
    let http = Http::offline();
    let directory = tempfile::tempdir().expect("a directory");
    let expected = Expected { digest: BlobDigest::of(b"x"), size: 1 };
    let results = [
        http.get(&server.url("/"), 10).map(drop),
        http.send(HttpRequest::new(Method::Post, server.url("/"))).map(drop),
        http.download(&server.url("/"), &directory.path().join("part"), &expected, &|_| {}),
    ];
    for result in results {
        let error = result.expect_err("offline");
        assert!(matches!(error, FetchError::Offline { .. }) && error.to_string().contains(&server.host()), "{error}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn rubbish_is_an_error_that_names_the_server() {
    let many: String = (0..1000).map(|index| format!("x-{index}: y\r\n")).collect();
    let silent = Patience { silence: Duration::from_secs(1), ..Patience::default() };
    let endless = |head: &str, bytes: &[u8]| Answer::raw(head).then(After::Endless(bytes.repeat(1000)));
    // Never silent, and never an answer.
    let trickle = |information: &str| {
        Answer::raw("").then(After::Slowly(information.repeat(100).into_bytes(), Duration::from_millis(20)))
    };
    let cases = vec![
        ("no head", Answer::raw("\0\0\0\r\n\r\n")),
        ("another protocol", Answer::raw("SSH-2.0-x\r\n")),
        ("nothing", Answer::raw("")),
        ("silence", Answer::raw("").then(After::Silence)),
        ("silence in the body", Answer::raw(format!("{OK}content-length: 2\r\n\r\nx")).then(After::Silence)),
        ("endless status line", endless("HTTP/1.1 200 ", b"x")),
        ("endless header", endless(&format!("{OK}x: "), b"y")),
        ("endless headers", endless(OK, b"x: y\r\n")),
        ("many headers", Answer::raw(format!("{OK}{many}\r\n"))),
        ("endless body", endless(&format!("{OK}\r\n"), b"x")),
        ("body of a huge size", endless(&format!("{OK}content-length: 99999999999\r\n\r\n"), b"x")),
        ("endless chunks", endless(&format!("{OK}transfer-encoding: chunked\r\n\r\n"), b"1\r\nx\r\n")),
        ("endless chunk size", endless(&format!("{OK}transfer-encoding: chunked\r\n\r\n"), b"0")),
        ("chunk size that is none", Answer::raw(format!("{OK}transfer-encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n"))),
        ("chunk cut", Answer::raw(format!("{OK}transfer-encoding: chunked\r\n\r\n9\r\nx"))),
        ("huge chunk", Answer::raw(format!("{OK}transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nx"))),
        ("size that is none", Answer::raw(format!("{OK}content-length: x\r\n\r\nx"))),
        ("negative size", Answer::raw(format!("{OK}content-length: -1\r\n\r\nx"))),
        ("two sizes", Answer::raw(format!("{OK}content-length: 1\r\ncontent-length: 2\r\n\r\nxy"))),
        ("shorter than said", Answer::raw(format!("{OK}content-length: 5\r\n\r\nx"))),
        ("endless information", trickle("HTTP/1.1 103 x\r\n\r\n")),
        ("endless continuing", trickle("HTTP/1.1 100 x\r\n\r\n")),
    ];
    let threads = cases.into_iter().map(|(name, answer)| {
        std::thread::spawn(move || {
            let server = Server::start(move |_, _| answer.clone());
            let result = Http::patient(&Trust::default(), silent).get(&server.url("/"), 1000);
            let error = result.expect_err(name).to_string();
            assert!(error.contains(&server.host()), "{name}: {error}");
            assert!(server.asked().len() <= 4, "{name}: {} requests", server.asked().len());
            assert!(server.sent() < 64 << 20, "{name}: {} bytes", server.sent());
        })
    });
    let threads: Vec<_> = threads.collect();
    threads.into_iter().for_each(|thread| thread.join().expect("an error"));
}

#[test]
fn information_before_an_answer_is_passed_over() {
    // More behind it than a head may be long, and enough before it for all of that to be there.
    let body = content(600_000);
    let hints = "HTTP/1.1 103 x\r\nlink: <x>\r\n\r\n".repeat(100);
    let head = format!("{hints}{OK}content-length: {}\r\n\r\n", body.len());
    let whole = [head.as_bytes(), &body].concat();
    let server = Server::start(move |_, _| Answer::raw(whole.clone()));
    assert_eq!(Http::new().get(&server.url("/"), 1 << 20).expect("a body"), body);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn slowness_is_no_silence() {
    let patience = Patience { silence: Duration::from_secs(2), ..Patience::default() };
    let server = Server::start(|_, _| {
        let head = Answer::raw("HTTP/1.1 200 x\r\ncontent-length: 6\r\n\r\n");
        head.then(After::Slowly(b"slowly".to_vec(), Duration::from_millis(500)))
    });
    // Longer in all than anything may be silent.
    let body = Http::patient(&Trust::default(), patience).get(&server.url("/"), 10).expect("a body");
    assert_eq!((body.as_slice(), server.asked().len()), (b"slowly".as_slice(), 1));
}

#[test]
fn what_cannot_be_read_here_is_no_failure_of_the_network() {
    let server = Server::start(|_, _| ok(""));
    let mut short: &[u8] = b"abc";
    let mut request = HttpRequest::new(Method::Put, server.url("/"));
    request.body = Body::Stream { length: 10, reader: &mut short };
    let Err(error) = Http::new().send(request) else { panic!("it was sent") };
    assert!(matches!(error, FetchError::Transport { is_final: true, .. }), "{error:?}");
    assert!(error.to_string().contains("the bytes to send cannot be read: they end too early"), "{error}");
}
