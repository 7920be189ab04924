//! The client against registries that lie, break off, go in circles, or want to know more than they may.
//!
//! Each case is a registry, written as what it answers, and what must come of asking it. Whatever that is: nobody but the
//! registry and its token server sees a credential, an error names the host and the reason, the number of requests and bytes
//! is bounded, and no wrong byte is kept.

#[path = "hostile/admission.rs"]
mod admission;
#[path = "hostile/blobs.rs"]
mod blobs;
#[path = "hostile/documents.rs"]
mod documents;
#[path = "hostile/pushes.rs"]
mod pushes;
#[path = "hostile/redirects.rs"]
mod redirects;
#[path = "../../../tests/support/scripted_server.rs"]
mod scripted_server;

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use scripted_server::{After, Answer, Asked, Server};
use sinter_graph::ErrorClass;
use sinter_graph::digest::BlobDigest;
use sinter_oci::ImageDocument;
use sinter_oci::registry::{BlobSource, Environment, FetchError, Patience, Registries, RegistryError, Repository};

/// Base64 of `me:hidden`.
const BASIC: &str = "Basic bWU6aGlkZGVu";
const INDEX: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
/// One byte more than goes in one request.
const LARGE: u64 = (64 << 20) + 1;
/// Nothing that goes wrong may cost more than this.
const MOST_BYTES: u64 = 64 << 20;

/// How many cases run at once: most of their time they wait.
const AT_ONCE: usize = 48;

/// What is asked of the registry, of the repository `x`.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// The manifest of the tag `v1`, which is read as an image.
    Tag,
    /// The manifest with the digest of [`INDEX`].
    Manifest,
    /// The digest of the tag `v1`.
    Digest,
    /// Whether the blob is there.
    Has,
    /// The blob, in memory.
    Small,
    /// The blob, as it comes.
    Read,
    /// The blob, into a file.
    Download,
    Tags,
    /// The blob.
    Push,
    /// The blob, which the repository `y` has.
    Mount,
    /// A blob of [`LARGE`] bytes.
    PushLarge,
    /// [`INDEX`] as `v1`.
    Put,
    /// The manifest of [`INDEX`].
    Delete,
}

/// What must come of it.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    /// What [`Act`] gives.
    Gives(&'static str),
    /// An error with this in it.
    Fails(&'static str),
}

use Outcome::{Fails, Gives};

/// A request and what else an answer may depend on.
struct At<'a> {
    asked: &'a Asked,
    /// `GET /v2/`.
    line: String,
    /// How often the same was asked before.
    again: usize,
    /// `http://HOST` of the registry.
    own: &'a str,
    /// That of another server.
    other: &'a str,
}

impl At<'_> {
    fn is(&self, beginning: &str) -> bool {
        self.line.starts_with(beginning)
    }

    fn authorization(&self) -> &str {
        self.asked.header("authorization").unwrap_or_default()
    }
}

type Script = fn(&At<'_>) -> Answer;

struct Case {
    name: &'static str,
    act: Act,
    outcome: Outcome,
    /// How many requests there may be at most, at both servers.
    most: usize,
    own: Script,
    other: Script,
    /// Whether the other server is the token server, which gets credentials at `/token`.
    is_token_server: bool,
    /// How long it may be silent.
    silence: Duration,
}

fn case(name: &'static str, act: Act, outcome: Outcome, most: usize, own: Script) -> Case {
    let silence = Duration::from_secs(30);
    Case { name, act, outcome, most, own, other: |_| answer(404), is_token_server: false, silence }
}

impl Case {
    fn and(mut self, other: Script) -> Self {
        self.other = other;
        self
    }

    /// For cases in which silence is the point: elsewhere it is a machine that has much to do.
    fn hurried(mut self) -> Self {
        self.silence = Duration::from_secs(2);
        self
    }

    fn with_tokens(mut self, other: Script) -> Self {
        self.is_token_server = true;
        self.and(other)
    }
}

fn answer(status: u16) -> Answer {
    Answer::new(status, &[], "")
}

fn ok(body: impl AsRef<[u8]>) -> Answer {
    Answer::new(200, &[], body)
}

fn said(status: u16, name: &str, value: &str) -> Answer {
    Answer::new(status, &[(name, value)], "")
}

fn location(status: u16, place: &str) -> Answer {
    said(status, "location", place)
}

fn challenge(text: &str) -> Answer {
    said(401, "www-authenticate", text)
}

/// A head that promises, and a body that breaks off.
fn cut(length: usize, body: &[u8]) -> Answer {
    Answer::new(200, &[("content-length", &length.to_string())], body).then(After::Close)
}

fn endless(head: &str, bytes: &[u8]) -> Answer {
    Answer::raw(head).then(After::Endless(bytes.repeat(1000)))
}

fn blob() -> &'static [u8] {
    static BLOB: OnceLock<Vec<u8>> = OnceLock::new();
    BLOB.get_or_init(|| (0..200_000_u32).flat_map(u32::to_le_bytes).collect())
}

fn digest() -> BlobDigest {
    static DIGEST: OnceLock<BlobDigest> = OnceLock::new();
    *DIGEST.get_or_init(|| BlobDigest::of(blob()))
}

struct Zeros;

impl BlobSource for Zeros {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(io::repeat(0).take(LARGE - offset)))
    }
}

fn act(act: Act, repository: &Repository, part: &Path) -> Result<String, RegistryError> {
    let (blob, size) = (digest(), blob().len() as u64);
    let there = |is_there: bool| if is_there { "there" } else { "nothing" }.to_owned();
    let image = |document: Option<sinter_oci::registry::Document>| {
        document.map_or_else(
            || there(false),
            |document| match ImageDocument::read(&document.bytes) {
                Ok(_) => "an image".to_owned(),
                Err(error) => error.to_string(),
            },
        )
    };
    let push = |beside: &[&str]| {
        let pushed = repository.push_blob(blob, size, beside, &self::blob());
        pushed.map(|pushed| format!("{pushed:?}"))
    };
    match act {
        Act::Tag => repository.manifest("v1").map(image),
        Act::Manifest => repository.manifest(&BlobDigest::of(INDEX.as_bytes()).to_string()).map(image),
        Act::Digest => repository.manifest_digest("v1").map(|digest| there(digest.is_some())),
        Act::Has => repository.has_blob(&blob).map(there),
        Act::Small => repository.small_blob(&blob).map(|blob| there(blob.is_some())),
        Act::Read => repository.blob(&blob).and_then(|reader| {
            let mut bytes = Vec::new();
            let failed = |source| RegistryError::Http(FetchError::Io { path: "blob".into(), source });
            let read = reader.map_or(Ok(0), |reader| reader.take(2 * size).read_to_end(&mut bytes));
            read.map_err(failed).map(|_| there(bytes == self::blob()))
        }),
        Act::Download => repository.download_blob(blob, size, part, &|_| {}).map(|()| there(true)),
        Act::Tags => repository.tags().map(|tags| format!("[{}]", tags.join(" "))),
        Act::Push => push(&[]),
        Act::Mount => push(&["y"]),
        Act::PushLarge => {
            repository.push_blob(BlobDigest::of(b"never made"), LARGE, &[], &Zeros).map(|pushed| format!("{pushed:?}"))
        }
        Act::Put => repository
            .put_manifest("v1", "application/vnd.oci.image.index.v1+json", INDEX.as_bytes())
            .map(|()| "put".to_owned()),
        Act::Delete => repository.delete_manifest(&BlobDigest::of(INDEX.as_bytes())).map(|()| "deleted".to_owned()),
    }
}

/// Both servers; each script learns the addresses, which are known only when both listen.
fn servers(case: &Case) -> (Server, Server) {
    let places: Arc<OnceLock<(String, String)>> = Arc::default();
    let start = |script: Script| {
        let (places, counts) = (places.clone(), Mutex::new(HashMap::<String, usize>::new()));
        Server::start(move |asked, _| {
            let (own, other) = places.get().expect("both listen");
            let line = format!("{} {}", asked.method, asked.target);
            let again = {
                let mut counts = counts.lock().expect("a map");
                let count = counts.entry(line.clone()).or_default();
                *count += 1;
                *count - 1
            };
            script(&At { asked, line, again, own, other })
        })
    };
    let (own, other) = (start(case.own), start(case.other));
    places.set((own.url(""), other.url(""))).expect("once");
    (own, other)
}

/// The repository `x`, as `me` with the password `hidden`.
fn repository(home: &Path, server: &Server, silence: Duration) -> Repository {
    std::fs::create_dir(home.join(".docker")).expect("a directory");
    let text = format!(r#"{{"auths": {{"{}": {{"username": "me", "password": "hidden"}}}}}}"#, server.host());
    std::fs::write(home.join(".docker/config.json"), text).expect("a file");
    let environment = Environment::made_of(&[("HOME", home)], Path::new("/nowhere"));
    let registries = Registries::patient(environment, false, Patience { silence, ..Patience::default() });
    let image = format!("{}/x:v1", server.host()).parse().expect("a reference");
    registries.destination(&image).expect("a repository")
}

fn run(case: &Case) -> Result<(), String> {
    let (own, other) = servers(case);
    let home = tempfile::tempdir().expect("a directory");
    let repository = repository(home.path(), &own, case.silence);
    let part = home.path().join("part");
    let result = act(case.act, &repository, &part);
    let mut wrong = judge(case.outcome, &result, &[own.host(), other.host()]);
    if matches!(case.act, Act::Download) {
        let kept = std::fs::read(&part).unwrap_or_default();
        // What is no more than a part may be anything: the next download goes on with it, and checks it all.
        if result.is_ok() != (kept == blob()) || kept.len() > blob().len() {
            wrong.push(format!("{} bytes are kept", kept.len()));
        }
    }
    let strangers =
        other.asked().into_iter().filter(|asked| !case.is_token_server || !asked.target.starts_with("/token"));
    wrong.extend(strangers.filter_map(|asked| Some(format!("another saw {:?}", asked.header("authorization")?))));
    let (requests, bytes) = (own.asked().len() + other.asked().len(), own.sent() + other.sent());
    if requests > case.most || bytes > MOST_BYTES {
        wrong.push(format!("{requests} requests, {bytes} bytes"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{}: {}\n  {result:?}", case.name, wrong.join("; "))) }
}

fn judge(outcome: Outcome, result: &Result<String, RegistryError>, hosts: &[String]) -> Vec<String> {
    match (outcome, result) {
        (Gives(expected), Ok(found)) if found.contains(expected) => vec![],
        (Fails(reason), Err(error)) => {
            let mut wrong = unfit(error, hosts);
            if !error.to_string().contains(reason) {
                wrong.push(format!("it has another reason: {error}"));
            }
            wrong
        }
        _ => vec![format!("not as expected: {outcome:?}")],
    }
}

/// What no error may be.
fn unfit(error: &RegistryError, hosts: &[String]) -> Vec<String> {
    let text = error.to_string();
    let checks = [
        (hosts.iter().any(|host| text.contains(host)), "it names no host"),
        (!text.contains("hidden") && !text.contains(BASIC), "it tells a secret"),
        (!text.contains(char::is_control), "it has control characters"),
        (text.len() < 1500, "it is too long"),
        (error.class() == ErrorClass::Environment, "it has another class"),
    ];
    checks.iter().filter(|(holds, _)| !holds).map(|(_, what)| format!("{what}: {text}")).collect()
}

/// Calls `run` with every number below `count`, many at once; gives what went wrong.
fn many(count: usize, run: impl Fn(usize) -> Result<(), String> + Sync) -> Vec<String> {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(number)));
            let result = result.unwrap_or_else(|_| Err(format!("number {number}: a panic")));
            wrong.lock().expect("a list").extend(result.err());
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    wrong.into_inner().expect("a list")
}

#[test]
fn hostile_registries_get_and_do_nothing() {
    // Those that wait for silence first.
    let groups = [blobs::cases(), pushes::cases(), admission::cases(), redirects::cases(), documents::cases()];
    let cases: Vec<Case> = groups.into_iter().flatten().collect();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    let wrong = many(cases.len(), |number| run(&cases[number]));
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Answers that make sense somewhere, all from the registry itself: no bytes that change may lead to another host.
const ANSWERS: [&str; 7] = [
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 36\r\n\r\n{\"schemaVersion\":2,\"manifests\":[{}]}",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n13\r\n{\"tags\":[\"a\",\"b\"]}\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nlink: <list?last=b>; rel=\"next\"\r\ncontent-length: 19\r\n\r\n{\"tags\":[\"a\",\"b\"]}",
    "HTTP/1.1 401 x\r\nwww-authenticate: Bearer realm=\"token\",service=\"s\",scope=\"a b\"\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 36\r\n\r\n{\"token\":\"good\",\"expires_in\":1000000}",
    "HTTP/1.1 202 x\r\nlocation: upload?_state=x\r\nrange: 0-99\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 206 x\r\ncontent-range: bytes 0-9/800000\r\ncontent-length: 10\r\n\r\n0123456789",
];

/// One of the answers with some bytes changed, left out or put in.
fn mangled(mut next: impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut bytes = ANSWERS[next(ANSWERS.len())].as_bytes().to_vec();
    for _ in 0..next(4) {
        let place = next(bytes.len());
        // No slash: two of them would name a host.
        let byte = u8::try_from(next(256)).ok().filter(|byte| *byte != b'/').unwrap_or(b'x');
        match next(3) {
            0 => bytes[place] = byte,
            1 => drop(bytes.remove(place)),
            _ => bytes.insert(place, byte),
        }
    }
    bytes
}

/// Numbers that look random, the same each time (G. Marsaglia, "Xorshift RNGs").
fn numbers(seed: usize) -> impl FnMut(usize) -> usize {
    let mut state = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from((state >> 16) % below as u64).expect("it is smaller")
    }
}

#[test]
fn mangled_answers_do_no_harm() {
    const ACTS: [Act; 10] = [
        Act::Tag,
        Act::Manifest,
        Act::Digest,
        Act::Has,
        Act::Small,
        Act::Download,
        Act::Tags,
        Act::Mount,
        Act::Put,
        Act::Delete,
    ];
    let rounds = std::env::var("SINTER_SOAK").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(200);
    let wrong = many(rounds, |round| {
        let server = Server::start(move |_, number| Answer::raw(mangled(numbers(round * 1000 + number))));
        let home = tempfile::tempdir().expect("a directory");
        let part = home.path().join("part");
        let result = act(ACTS[round % ACTS.len()], &repository(home.path(), &server, Duration::from_secs(30)), &part);
        let mut wrong = result.as_ref().err().map(|error| unfit(error, &[server.host()])).unwrap_or_default();
        // Nobody ever sends the blob.
        if matches!(ACTS[round % ACTS.len()], Act::Download) && result.is_ok() {
            wrong.push("it believes in a blob".to_owned());
        }
        if server.asked().len() > 1000 {
            wrong.push(format!("{} requests", server.asked().len()));
        }
        if wrong.is_empty() { Ok(()) } else { Err(format!("round {round}: {}", wrong.join("; "))) }
    });
    assert!(wrong.is_empty(), "{} of {rounds}:\n{}", wrong.len(), wrong.join("\n"));
}
