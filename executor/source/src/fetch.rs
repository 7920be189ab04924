//! Downloads over HTTP: bounded, resumed after a cut, verified while they stream.
//!
//! Rules: every failure names the address; what is kept has the expected size and digest; a partial file survives the
//! process, so that the next one goes on where this one stopped.
//! Must not know: what is downloaded, the store, the terminal.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use sha2::{Digest as _, Sha256};
use sinter_graph::digest::BlobDigest;

use crate::resolve_host::{HostResolver, ResolveError};

/// How often a request is made again without having got one byte further.
const MAX_FRUITLESS_TRIES: u32 = 4;
const CHUNK: usize = 256 * 1024;

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server does not have it (404 or 410).
    #[error("{url} does not exist")]
    Gone {
        /// What was asked for.
        url: String,
    },
    /// The server refuses or fails.
    #[error("{url} answered with status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// No whole answer came, several times.
    #[error("{url} cannot be read: {reason}")]
    Transport {
        /// What was asked for.
        url: String,
        /// What the last try ended with.
        reason: String,
    },
    /// The answer is larger than anything of its kind.
    #[error("{url} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// The bytes are not the expected ones.
    #[error("{url} is not what was expected: {found} instead of {expected}")]
    Mismatch {
        /// What was asked for.
        url: String,
        /// The expected digest or size.
        expected: String,
        /// What came.
        found: String,
    },
    /// The file to download into cannot be written.
    #[error("write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What a download must turn out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its digest.
    pub digest: BlobDigest,
    /// Its size in bytes.
    pub size: u64,
}

/// An HTTP client. It follows redirects, honours the usual proxy variables, and trusts the machine's certificates.
#[derive(Debug, Clone)]
pub struct Http {
    agent: ureq::Agent,
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}

/// How one try ended without a final result.
enum Interrupted {
    /// Worth another try.
    Again(String),
    /// Not worth it.
    Final(FetchError),
}

/// How many connections to a host are kept for the next request. No fewer than any caller uses at once, or each request
/// begins with a new one.
const CONNECTIONS: usize = 8;

/// Looks each host up once, and one at a time: many resolvers drop some of several questions that come at once. So this lock
/// is held over the look-up on purpose.
#[derive(Debug, Default)]
struct Lookups {
    hosts: HostResolver,
    known: Mutex<HashMap<String, ResolvedSocketAddrs>>,
}

impl Resolver for Lookups {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        _config: &ureq::config::Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let place = format!("{:?} {:?}", uri.scheme(), uri.authority());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(addresses) = known.get(&place) {
            return Ok(addresses.clone());
        }
        let (host, port) = host_and_port(uri)?;
        let found = self.hosts.addresses(host).map_err(|error| ureq::Error::Io(std::io::Error::other(error)))?;
        let mut addresses = self.empty();
        found.into_iter().take(MOST_ADDRESSES).for_each(|address| addresses.push(SocketAddr::new(address, port)));
        known.insert(place, addresses.clone());
        Ok(addresses)
    }
}

/// ureq keeps no more.
const MOST_ADDRESSES: usize = 16;

fn host_and_port(uri: &ureq::http::Uri) -> Result<(&str, u16), ureq::Error> {
    let host = uri.host().filter(|host| !host.is_empty()).ok_or(ureq::Error::HostNotFound)?;
    let usual = match uri.scheme_str() {
        Some("https") => 443,
        Some("socks4" | "socks4a" | "socks5" | "socks") => 1080,
        _ => 80,
    };
    Ok((host, uri.port_u16().unwrap_or(usual)))
}

impl Http {
    /// A client that waits 30 s for a connection and 60 s for more bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::resolving_by(HostResolver::default())
    }

    pub(crate) fn resolving_by(hosts: HostResolver) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(60)))
            .user_agent(concat!("sinter/", env!("CARGO_PKG_VERSION")))
            .tls_config(ureq::tls::TlsConfig::builder().root_certs(machine_roots()).build())
            .max_idle_connections_per_host(CONNECTIONS)
            .build();
        Self {
            agent: ureq::Agent::with_parts(
                config,
                DefaultConnector::default(),
                Lookups { hosts, ..Lookups::default() },
            ),
        }
    }

    /// The body of an address, in memory.
    ///
    /// # Errors
    /// If there is none, if it has more than `limit` bytes, or if the server cannot be reached.
    pub fn get(&self, url: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
        retry(url, |_| {
            let mut body = Vec::new();
            let mut response = self.request(url, 0)?;
            let read = response.body_mut().as_reader().take(limit + 1).read_to_end(&mut body);
            read.map_err(|error| Interrupted::Again(error.to_string()))?;
            if body.len() as u64 > limit {
                return Err(Interrupted::Final(FetchError::TooLarge { url: url.to_owned(), limit }));
            }
            Ok(body)
        })
    }

    /// Downloads into `part`, going on where an earlier call stopped. `on_bytes` hears how many bytes are new (or, when
    /// a server starts again from the beginning, how many were for nothing, as a negative number).
    ///
    /// # Errors
    /// As [`Http::get`]; also if the bytes are not the expected ones (then `part` is removed), or cannot be written.
    pub fn download(
        &self,
        url: &str,
        part: &Path,
        expected: &Expected,
        on_bytes: &dyn Fn(i64),
    ) -> Result<(), FetchError> {
        let mut sink = Sink::open(part, expected.size, on_bytes)?;
        let had_prefix = sink.length > 0;
        let result = self.fill(url, &mut sink, expected).and_then(|()| sink.check(url, expected));
        match result {
            Err(FetchError::Mismatch { .. }) if had_prefix => {
                // The part that was there may have been rubbish: once more, from the beginning.
                sink.restart()?;
                self.fill(url, &mut sink, expected).and_then(|()| sink.check(url, expected))
            }
            other => other,
        }
        .inspect_err(|error| {
            if matches!(error, FetchError::Mismatch { .. }) {
                // What is wrong is of no use to the next try; that it cannot be removed changes nothing.
                let _ = std::fs::remove_file(part);
            }
        })
    }

    fn fill(&self, url: &str, sink: &mut Sink<'_>, expected: &Expected) -> Result<(), FetchError> {
        retry(url, |tries| {
            if sink.length == expected.size {
                return Ok(());
            }
            let before = sink.length;
            let result = self.continue_at(url, sink, expected);
            if sink.length > before {
                *tries = 0;
            }
            result
        })
    }

    fn continue_at(&self, url: &str, sink: &mut Sink<'_>, expected: &Expected) -> Result<(), Interrupted> {
        let mut response = self.request(url, sink.length)?;
        if !continues_at(&response, sink.length) {
            sink.restart().map_err(Interrupted::Final)?;
        }
        let mut body = response.body_mut().as_reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = body.read(&mut chunk).map_err(|error| Interrupted::Again(error.to_string()))?;
            if count == 0 {
                break;
            }
            if sink.length + count as u64 > expected.size {
                return Err(Interrupted::Final(mismatch(url, &size_text(expected.size), "more bytes")));
            }
            sink.append(&chunk[..count]).map_err(Interrupted::Final)?;
        }
        if sink.length == expected.size {
            return Ok(());
        }
        let short = format!("it ended after {} of {} bytes", sink.length, expected.size);
        // A server that declared a shorter body will send the same again; only a cut is worth another try.
        Err(Interrupted::Again(short))
    }

    fn request(&self, url: &str, offset: u64) -> Result<ureq::http::Response<ureq::Body>, Interrupted> {
        let mut request = self.agent.get(url);
        if offset > 0 {
            request = request.header("Range", format!("bytes={offset}-"));
        }
        let response = request.call().map_err(|error| transport(url, &error))?;
        let again = |status: u16| Interrupted::Again(format!("status {status}"));
        match response.status().as_u16() {
            200 | 206 => Ok(response),
            404 | 410 => Err(Interrupted::Final(FetchError::Gone { url: url.to_owned() })),
            // The range does not fit what the server has: from the beginning, by way of a fresh request.
            416 if offset > 0 => self.request(url, 0),
            status @ (408 | 429 | 500..=599) => Err(again(status)),
            status => Err(Interrupted::Final(FetchError::Status { url: url.to_owned(), status })),
        }
    }
}

/// Errors of the address or of our own request do not go away by trying again, and name servers have been asked again.
fn transport(url: &str, error: &ureq::Error) -> Interrupted {
    match error {
        ureq::Error::Io(source) if source.get_ref().is_some_and(|inner| inner.is::<ResolveError>()) => {
            Interrupted::Final(FetchError::Transport { url: url.to_owned(), reason: source.to_string() })
        }
        ureq::Error::BadUri(_)
        | ureq::Error::Http(_)
        | ureq::Error::InvalidProxyUrl
        | ureq::Error::TooManyRedirects => {
            Interrupted::Final(FetchError::Transport { url: url.to_owned(), reason: error.to_string() })
        }
        other => Interrupted::Again(other.to_string()),
    }
}

fn retry<T>(url: &str, mut attempt: impl FnMut(&mut u32) -> Result<T, Interrupted>) -> Result<T, FetchError> {
    let mut tries = 0;
    loop {
        match attempt(&mut tries) {
            Ok(value) => return Ok(value),
            Err(Interrupted::Final(error)) => return Err(error),
            Err(Interrupted::Again(reason)) => {
                tries += 1;
                if tries >= MAX_FRUITLESS_TRIES {
                    return Err(FetchError::Transport { url: url.to_owned(), reason });
                }
                std::thread::sleep(Duration::from_millis(50 << (2 * tries)));
            }
        }
    }
}

/// Whether a response goes on at `offset` (RFC 9110, 14.4) rather than starting from the beginning.
fn continues_at(response: &ureq::http::Response<ureq::Body>, offset: u64) -> bool {
    if response.status().as_u16() != 206 {
        return offset == 0;
    }
    let range = response.headers().get("content-range").and_then(|value| value.to_str().ok()).unwrap_or_default();
    range.strip_prefix("bytes ").and_then(|range| range.split('-').next()).and_then(|start| start.trim().parse().ok())
        == Some(offset)
}

fn size_text(size: u64) -> String {
    format!("{size} bytes")
}

fn mismatch(url: &str, expected: &str, found: &str) -> FetchError {
    FetchError::Mismatch { url: url.to_owned(), expected: expected.to_owned(), found: found.to_owned() }
}

/// The certificates this machine trusts, so that a mirror inside a company is reached like everything else there; the
/// built-in ones if it has none.
fn machine_roots() -> ureq::tls::RootCerts {
    const BUNDLES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];
    let Some(pem) = BUNDLES.iter().find_map(|path| std::fs::read(path).ok()) else {
        return ureq::tls::RootCerts::WebPki;
    };
    let certificates: Vec<ureq::tls::Certificate<'static>> = ureq::tls::parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() { ureq::tls::RootCerts::WebPki } else { certificates.into() }
}

/// A partial file and the hash of what is in it.
struct Sink<'a> {
    file: File,
    path: PathBuf,
    hash: Sha256,
    length: u64,
    on_bytes: &'a dyn Fn(i64),
}

impl<'a> Sink<'a> {
    fn open(path: &Path, limit: u64, on_bytes: &'a dyn Fn(i64)) -> Result<Self, FetchError> {
        let fault = |source| FetchError::Io { path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(fault)?;
        let mut sink = Self { file, path: path.to_owned(), hash: Sha256::new(), length: 0, on_bytes };
        sink.read_prefix(limit).map_err(fault)?;
        Ok(sink)
    }

    fn read_prefix(&mut self, limit: u64) -> std::io::Result<()> {
        if self.file.metadata()?.len() > limit {
            self.file.set_len(0)?;
        }
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = self.file.read(&mut chunk)?;
            if count == 0 {
                return Ok(());
            }
            self.count(&chunk[..count]);
        }
    }

    fn count(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        (self.on_bytes)(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.file.write_all(bytes).map_err(|source| FetchError::Io { path: self.path.clone(), source })?;
        self.count(bytes);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), FetchError> {
        let truncated = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        truncated.map_err(|source| FetchError::Io { path: self.path.clone(), source })?;
        (self.on_bytes)(i64::try_from(self.length).map_or(i64::MIN, |length| -length));
        self.hash = Sha256::new();
        self.length = 0;
        Ok(())
    }

    fn check(&self, url: &str, expected: &Expected) -> Result<(), FetchError> {
        let found = BlobDigest::from_bytes(self.hash.clone().finalize().into());
        if self.length != expected.size {
            return Err(mismatch(url, &size_text(expected.size), &size_text(self.length)));
        }
        if found == expected.digest {
            return Ok(());
        }
        Err(mismatch(url, &expected.digest.to_string(), &found.to_string()))
    }
}
