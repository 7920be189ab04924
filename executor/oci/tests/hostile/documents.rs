//! Manifests and lists of tags that are not what they should be.

use super::Act::{Digest, Has, Manifest, Small, Tag, Tags};
use super::{Answer, Case, Fails, Gives, INDEX, answer, blob, case, cut, endless, ok, said};

const HEAD: &str = "HTTP/1.1 200 x\r\n";
const WRONG: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

pub(super) fn cases() -> Vec<Case> {
    manifests().into_iter().chain(statuses()).chain(things()).chain(tags()).collect()
}

fn manifests() -> Vec<Case> {
    vec![
        case("manifest with its digest", Manifest, Gives("an image"), 1, |_| ok(INDEX)),
        case("manifest of another digest", Manifest, Fails("damaged or forged"), 1, |_| ok("{}")),
        case("tag of another digest than said", Tag, Fails("damaged or forged"), 1, |_| {
            Answer::new(200, &[("docker-content-digest", WRONG)], INDEX)
        }),
        case("digest that is none", Tag, Gives("an image"), 1, |_| {
            Answer::new(200, &[("docker-content-digest", "md5:x")], INDEX)
        }),
        case("digest of a tag is none", Digest, Gives("there"), 2, |at| match at.asked.method.as_str() {
            "HEAD" => said(200, "docker-content-digest", "../../etc/passwd"),
            _ => ok(INDEX),
        }),
        case("manifest of 5 MiB", Tag, Fails("larger than the limit"), 1, |_| ok(vec![b' '; 5 << 20])),
        case("manifest without end", Tag, Fails("larger than the limit"), 1, |_| endless(&format!("{HEAD}\r\n"), b" ")),
        case("manifest of chunks without end", Tag, Fails("larger than the limit"), 1, |_| {
            endless(&format!("{HEAD}transfer-encoding: chunked\r\n\r\n"), b"10\r\n                \r\n")
        }),
        case("manifest cut each time", Tag, Fails("cannot be read"), 4, |_| cut(1000, INDEX.as_bytes())),
        case("manifest cut once", Manifest, Gives("an image"), 2, |at| {
            if at.again == 0 { cut(1000, INDEX.as_bytes()) } else { ok(INDEX) }
        }),
        case("manifest longer than said", Manifest, Fails("damaged or forged"), 1, |_| {
            Answer::new(200, &[("content-length", "5")], INDEX)
        }),
        case("manifest with garbage for chunks", Tag, Fails("cannot be read"), 4, |_| {
            Answer::raw(format!("{HEAD}transfer-encoding: chunked\r\n\r\nnonsense\r\n{INDEX}\r\n0\r\n\r\n"))
        }),
        case("manifest said to be packed", Manifest, Gives("an image"), 1, |_| {
            Answer::new(200, &[("content-encoding", "gzip")], INDEX)
        }),
        case("page that wants a click", Tag, Fails("a page for people"), 1, |_| {
            Answer::new(200, &[("content-type", "text/html; charset=utf-8")], "<html>log in</html>")
        }),
        case("configuration of another digest", Small, Fails("damaged or forged"), 1, |_| ok(INDEX)),
        case("configuration of 5 MiB", Small, Fails("larger than the limit"), 1, |_| ok(vec![b' '; 5 << 20])),
        case("configuration in part", Small, Fails("answered 206"), 1, |_| {
            Answer::new(206, &[("content-range", "bytes 0-9/10")], "0123456789")
        }),
        case("configuration that is not there", Small, Gives("nothing"), 1, |_| answer(404)),
        case("configuration cut once", Small, Gives("there"), 2, |at| {
            if at.again == 0 { cut(blob().len(), &blob()[..10]) } else { ok(blob()) }
        }),
    ]
}

/// Answers that are none.
fn statuses() -> Vec<Case> {
    vec![
        case("nothing there", Tag, Gives("nothing"), 1, |_| answer(404)),
        case("status without content", Tag, Fails("answered 204"), 1, |_| answer(204)),
        case("status of a part", Tag, Fails("answered 206"), 1, |_| Answer::new(206, &[], INDEX)),
        case("status of a choice", Tag, Fails("answered 300"), 1, |_| answer(300)),
        case("answer with too many bytes", Digest, Gives("there"), 4, |at| match at.asked.method.as_str() {
            // What follows the first answer is in the place of the second.
            "HEAD" => Answer::new(200, &[], "HTTP/1.1 200 x\r\ncontent-length: 2\r\n\r\n{}"),
            _ => ok(INDEX),
        }),
        case("status of a cache", Tag, Fails("answered 304"), 1, |_| answer(304)),
        case("status of a teapot", Has, Fails("answered 418"), 1, |_| answer(418)),
        case("status that nobody knows", Tag, Fails("answered 999"), 1, |_| answer(999)),
        case("status that is none", Tag, Fails("cannot be read"), 4 * 2, |_| Answer::raw("HTTP/1.1 99999 x\r\n\r\n")),
        case("other protocol", Tag, Fails("cannot be read"), 4 * 2, |_| Answer::raw("SSH-2.0-x\r\n")),
        case("switch of protocols", Tag, Fails("answered 101"), 1, |_| {
            Answer::raw("HTTP/1.1 101 x\r\nupgrade: x\r\n\r\n")
        }),
        case("failure each time", Tag, Fails("answered 500"), 4, |_| said(500, "retry-after", "0")),
        case("failure once", Tag, Gives("an image"), 2, |at| if at.again == 0 { answer(503) } else { ok(INDEX) }),
        case("limit each time", Tag, Fails("too many requests"), 4, |_| said(429, "retry-after", "0")),
        case("limit once", Tag, Gives("an image"), 2, |at| {
            if at.again == 0 { said(429, "retry-after", "1") } else { ok(INDEX) }
        }),
        case("limit with odd times", Tag, Fails("too many requests"), 4, |_| said(429, "retry-after", "-1 soon")),
        case("limit as lack of rights", Tag, Fails("too many requests"), 4, |_| {
            Answer::new(403, &[("retry-after", "0")], "You have exceeded a secondary rate limit.")
        }),
        case("message with control characters", Tag, Fails("one[31mtwo"), 1, |_| {
            Answer::new(400, &[], "{\"errors\":[{\"message\":\"one\\u001b[31m\\r\\ntwo\\u0000\"}]}")
        }),
        case("message without end", Tag, Fails("answered 400"), 1, |_| endless("HTTP/1.1 400 x\r\n\r\n", b"x")),
        case("message of 1 MiB", Tag, Fails("answered 400"), 1, |_| Answer::new(400, &[], vec![b'x'; 1 << 20])),
        case("message nested deep", Tag, Fails("answered 400"), 1, |_| Answer::new(400, &[], "[".repeat(60_000))),
    ]
}

/// Documents of something else.
fn things() -> Vec<Case> {
    vec![
        case("empty document", Tag, Gives("it is no image"), 1, |_| ok("")),
        case("document nested deep", Tag, Gives("it is no image"), 1, |_| ok("[".repeat(1 << 20))),
        case("index nested deep", Tag, Gives("it is no image"), 1, |_| {
            ok(format!("{}{}", "{\"manifests\":[".repeat(100_000), "]}".repeat(100_000)))
        }),
        case("document of schema 1", Tag, Gives("which docker gave up"), 1, |_| ok("{\"schemaVersion\":1}")),
        case("document of another type", Tag, Gives("a document of type text/\\u{1b}x"), 1, |_| {
            ok("{\"schemaVersion\":2,\"mediaType\":\"text/\\u001bx\"}")
        }),
        case("document of a chart", Tag, Gives("something of type application/vnd.cncf.helm"), 1, |_| {
            ok(r#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json"},"layers":[]}"#)
        }),
        case("index with path tricks", Tag, Gives("it names something by `sha256:../../x`"), 1, |_| {
            ok(r#"{"schemaVersion":2,"manifests":[{"digest":"sha256:../../x","size":1}]}"#)
        }),
        case("index with negative sizes", Tag, Gives("does not say how long"), 1, |_| {
            ok(format!(r#"{{"schemaVersion":2,"manifests":[{{"digest":"{WRONG}","size":-1}}]}}"#))
        }),
        case("manifest of many layers", Tag, Gives("nothing mounts more than"), 1, |_| {
            let layers = vec!["1"; 1_000_000].join(",");
            ok(format!(
                r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{WRONG}","size":1}},"layers":[{layers}]}}"#
            ))
        }),
    ]
}

fn tags() -> Vec<Case> {
    vec![
        case("tags", Tags, Gives("[a b]"), 1, |_| ok(r#"{"name":"x","tags":["a","b"]}"#)),
        case("no tags", Tags, Gives("[]"), 1, |_| ok(r#"{"name":"x","tags":null}"#)),
        case("tags that are no list", Tags, Fails("list of tags is none"), 1, |_| ok(r#"{"tags":{"a":1}}"#)),
        case("tags that are numbers", Tags, Fails("list of tags is none"), 1, |_| ok(r#"{"tags":[1,2]}"#)),
        case("tags that are no JSON", Tags, Fails("list of tags is none"), 1, |_| ok("<html>")),
        case("tags with path tricks", Tags, Gives("[good]"), 1, |_| {
            ok(r#"{"tags":["../../etc","good","a/b","a?b","","\u0000","-x"]}"#)
        }),
        case("tags that lead to themselves", Tags, Fails("does not end"), 1, |at| {
            Answer::new(200, &[("link", &format!("<{}>; rel=\"next\"", at.asked.target))], r#"{"tags":["a"]}"#)
        }),
        case("tags that never end", Tags, Fails("does not end"), 1000, |at| {
            let last = at.asked.target.rsplit('=').next().and_then(|last| last.parse::<u64>().ok()).unwrap_or(0);
            let link = format!("</v2/x/tags/list?last={}>; rel=\"next\"", last + 1);
            Answer::new(200, &[("link", &link)], r#"{"tags":["a"]}"#)
        }),
        case("tags without end", Tags, Fails("larger than the limit"), 1, |_| {
            endless(&format!("{HEAD}\r\n{{\"tags\":["), b"\"a\",")
        }),
        case("tags that go on elsewhere", Tags, Gives("[a b]"), 2, |at| {
            let link = format!("<{}/v2/x/tags/list?last=a>; rel=\"next\"", at.other);
            match at.asked.target.ends_with("last=a") {
                true => ok(r#"{"tags":["b"]}"#),
                false => Answer::new(200, &[("link", &link)], r#"{"tags":["a"]}"#),
            }
        }),
    ]
}
