//! Blobs that are too long, too short, others, slow, or in pieces that nobody asked for.

use std::time::Duration;

use super::Act::{Download, Has, Read};
use super::{After, Answer, At, Case, Fails, Gives, answer, blob, case, cut, endless, ok, said};

const HEAD: &str = "HTTP/1.1 200 x\r\n";
const READ: &str = "cannot be read";

pub(super) fn cases() -> Vec<Case> {
    bytes().into_iter().chain(readings()).chain(ranges()).chain(heads()).collect()
}

/// What a request wants to have from.
fn begin(at: &At<'_>) -> Option<usize> {
    let range = at.asked.header("range")?.trim_start_matches("bytes=").trim_end_matches('-');
    Some(range.parse().expect("a range"))
}

fn part(begin: usize, said: usize) -> Answer {
    let length = blob().len();
    Answer::new(206, &[("content-range", &format!("bytes {said}-{}/{length}", length - 1))], &blob()[begin..])
}

/// The first answer breaks off.
fn half() -> Answer {
    cut(blob().len(), &blob()[..blob().len() / 2])
}

fn bytes() -> Vec<Case> {
    vec![
        case("blob", Download, Gives("there"), 1, |_| ok(blob())),
        case("blob of other bytes", Download, Fails("is not what was expected"), 1, |_| ok(vec![0; blob().len()])),
        case("blob with a byte more", Download, Fails("more bytes instead of"), 1, |_| ok([blob(), &[0]].concat())),
        case("blob with a byte less", Download, Fails("it ended after"), 5, |_| ok(&blob()[1..])),
        case("blob of nothing", Download, Fails("it ended after 0 of"), 4, |_| ok("")),
        case("blob without end", Download, Fails("is not what was expected"), 1, |_| {
            endless(&format!("{HEAD}\r\n"), b"x")
        }),
        case("blob of chunks without end", Download, Fails("is not what was expected"), 1, |_| {
            endless(&format!("{HEAD}transfer-encoding: chunked\r\n\r\n"), b"a\r\n0123456789\r\n")
        }),
        case("blob with garbage for chunks", Download, Fails(READ), 4, |_| {
            endless(&format!("{HEAD}transfer-encoding: chunked\r\n\r\n"), b"garbage")
        }),
        case("blob of two lengths", Download, Fails(READ), 8, |_| {
            Answer::raw(format!("{HEAD}content-length: 5\r\ncontent-length: 800000\r\n\r\nabcde"))
        }),
        case("blob of no length", Download, Fails(READ), 8, |_| {
            Answer::raw(format!("{HEAD}content-length: 0x10\r\n\r\nabcde"))
        }),
        case("blob that is not there", Download, Fails("does not exist"), 1, |_| answer(404)),
        case("blob that is gone", Download, Fails("does not exist"), 1, |_| answer(410)),
        case("blob in silence", Download, Fails(READ), 4, |_| {
            Answer::raw(format!("{HEAD}content-length: 800000\r\n\r\nx")).then(After::Silence)
        })
        .hurried(),
        case("blob of one byte at a time", Download, Gives("there"), 2, |at| match begin(at) {
            None => cut(blob().len(), &blob()[..blob().len() - 4]),
            Some(begin) => {
                let (length, rest) = (blob().len(), blob()[begin..].to_vec());
                let head = format!("content-range: bytes {begin}-{}/{length}\r\ncontent-length: 4", length - 1);
                let head = Answer::raw(format!("HTTP/1.1 206 x\r\n{head}\r\n\r\n"));
                head.then(After::Slowly(rest, Duration::from_millis(600)))
            }
        })
        .hurried(),
        case("blob whose question is not answered", Has, Fails(READ), 4 * 2, |_| Answer::raw("")),
        case("blob whose question fails", Has, Fails("answered 502"), 4, |_| said(502, "retry-after", "0")),
    ]
}

fn readings() -> Vec<Case> {
    vec![
        case("blob as it comes", Read, Gives("there"), 1, |_| ok(blob())),
        case("blob as it comes that is not there", Read, Gives("nothing"), 1, |_| answer(404)),
        case("blob as it comes without end", Read, Gives("nothing"), 1, |_| endless(&format!("{HEAD}\r\n"), b"x")),
        case("blob as it comes, cut once", Read, Gives("there"), 2, |at| {
            begin(at).map_or_else(half, |begin| part(begin, begin))
        }),
        case("blob as it comes, cut where no ranges are known", Read, Gives("there"), 2, |at| {
            if begin(at).is_none() { half() } else { ok(blob()) }
        }),
        case("blob as it comes, cut each time", Read, Fails("breaks off"), 6, |_| half()),
        case(
            "blob as it comes that goes on elsewhere",
            Read,
            Fails("where the rest of a blob is asked for"),
            6,
            |at| begin(at).map_or_else(half, |begin| part(begin + 1, begin + 1)),
        ),
        case("blob as it comes in silence", Read, Fails("breaks off"), 8, |_| {
            Answer::raw(format!("{HEAD}content-length: 800000\r\n\r\nx")).then(After::Silence)
        })
        .hurried(),
    ]
}

fn ranges() -> Vec<Case> {
    vec![
        case("blob cut once", Download, Gives("there"), 2, |at| {
            begin(at).map_or_else(half, |begin| part(begin, begin))
        }),
        case("blob cut where no ranges are known", Download, Gives("there"), 2, |at| {
            if at.again == 0 { half() } else { ok(blob()) }
        }),
        case("blob cut each time", Download, Fails(READ), 6, |_| half()),
        case("blob of one byte each time", Download, Fails(READ), 6, |at| {
            let begin = begin(at).unwrap_or_default();
            let (length, last) = (blob().len(), blob().len() - 1);
            let range = format!("bytes {begin}-{last}/{length}");
            let headers = [("content-range", range.as_str()), ("content-length", &(length - begin).to_string())];
            Answer::new(if begin == 0 { 200 } else { 206 }, &headers, &blob()[begin..=begin]).then(After::Close)
        }),
        case("blob that goes on elsewhere", Download, Gives("there"), 3, |at| match begin(at) {
            Some(begin) => part(begin + 1, begin + 1),
            None => {
                if at.again == 0 {
                    half()
                } else {
                    ok(blob())
                }
            }
        }),
        case("blob that goes on elsewhere than said", Download, Gives("there"), 3, |at| match begin(at) {
            Some(begin) => Answer::new(206, &[("content-range", &format!("bytes {begin}-1/2"))], vec![0; 400_000]),
            None => {
                if at.again == 0 {
                    half()
                } else {
                    ok(blob())
                }
            }
        }),
        case("blob that begins in the middle", Download, Fails("a part that was not asked for"), 4, |_| part(7, 7)),
        case("blob in parts without a place", Download, Fails("a part that was not asked for"), 4, |_| {
            Answer::new(206, &[("content-type", "multipart/byteranges; boundary=x")], "--x\r\n\r\n--x--")
        }),
        case("blob that has no such part", Download, Gives("there"), 3, |at| match begin(at) {
            Some(_) => said(416, "content-range", "bytes */1"),
            None => {
                if at.again == 0 {
                    half()
                } else {
                    ok(blob())
                }
            }
        }),
        case("blob that has no part at all", Download, Fails("answered with status 416"), 1, |_| answer(416)),
    ]
}

/// Never silent, and never an answer.
fn trickle(information: &str) -> Answer {
    Answer::raw("").then(After::Slowly(information.repeat(100).into_bytes(), Duration::from_millis(20)))
}

/// Answers that do not come to their point.
fn heads() -> Vec<Case> {
    vec![
        case("giant header", Download, Fails(READ), 8, |_| endless(&format!("{HEAD}x: "), b"x")),
        case("giant headers", Download, Fails(READ), 8, |_| endless(HEAD, b"x: y\r\n")),
        case("giant status", Download, Fails(READ), 8, |_| endless("HTTP/1.1 200 ", b"x")),
        case("hints without end", Download, Fails(READ), 8, |_| trickle("HTTP/1.1 103 x\r\nlink: <x>\r\n\r\n"))
            .hurried(),
        case("continuing without end", Download, Fails(READ), 8, |_| trickle("HTTP/1.1 100 x\r\n\r\n")).hurried(),
        case("a hint before", Download, Gives("there"), 1, |_| {
            let body = [b"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 x\r\ncontent-length: 800000\r\n\r\n", blob()].concat();
            Answer::raw(body)
        }),
        case("silence", Download, Fails(READ), 8, |_| Answer::raw("").then(After::Silence)).hurried(),
        case("zeros", Download, Fails(READ), 8, |_| endless("", b"\0")),
    ]
}
