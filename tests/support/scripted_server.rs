//! A server on loopback that answers what a test tells it to, lies and rubbish included, and notes what it is asked.
//!
//! Included by the tests of several packages. It knows only as much of HTTP as it takes to find the end of a request.

#![allow(dead_code, reason = "each package uses a part")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// More than this is never sent for an endless answer, so that a client without a limit fails instead of filling memory.
const ENDLESS: u64 = 256 << 20;

/// A request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    /// Which connection it came on, from zero.
    pub(crate) connection: usize,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn length(&self) -> u64 {
        self.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)
    }
}

/// What is sent back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    bytes: Vec<u8>,
    after: After,
}

/// What follows the bytes of an answer.
#[derive(Debug, Clone)]
pub(crate) enum After {
    /// The next request.
    KeepOpen,
    /// The end of the connection.
    Close,
    /// The end of the connection, with the body of the request unread.
    Cut,
    /// These bytes, again and again.
    Endless(Vec<u8>),
    /// These bytes, one by one with a pause before each.
    Slowly(Vec<u8>, Duration),
    /// Nothing, for long.
    Silence,
}

impl Answer {
    /// A status with headers and a body, whose length is said unless a header says something else.
    pub(crate) fn new(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let mut head = format!("HTTP/1.1 {status} x\r\n");
        headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        let is_framed = headers.iter().any(|(name, _)| matches!(*name, "content-length" | "transfer-encoding"));
        if !is_framed && status != 204 {
            head += &format!("content-length: {}\r\n", body.as_ref().len());
        }
        Self { bytes: [head.as_bytes(), b"\r\n", body.as_ref()].concat(), after: After::KeepOpen }
    }

    /// Exactly these bytes.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), after: After::Close }
    }

    pub(crate) fn then(mut self, after: After) -> Self {
        self.after = after;
        self
    }
}

type Script = dyn Fn(&Asked, usize) -> Answer + Send + Sync;

/// A running server. It takes no more connections after this value is gone.
pub(crate) struct Server {
    address: SocketAddr,
    notes: Arc<Notes>,
}

#[derive(Default)]
struct Notes {
    asked: Mutex<Vec<Asked>>,
    sent: AtomicU64,
    connections: AtomicUsize,
    is_over: AtomicBool,
}

impl Server {
    /// Answers each request by what the script says about it, given how many came before.
    pub(crate) fn start(script: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (notes, script): (Arc<Notes>, Arc<Script>) = (Arc::default(), Arc::new(script));
        let server = Self { address, notes: notes.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if notes.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let number = notes.connections.fetch_add(1, Ordering::Relaxed);
                let (notes, script) = (notes.clone(), script.clone());
                // Whoever breaks off is right to.
                std::thread::spawn(move || drop(serve(&stream, number, &notes, &*script)));
            }
        });
        server
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// An address here.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests until now.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.notes.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many bytes of answers were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.notes.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> usize {
        self.notes.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.notes.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: &TcpStream, connection: usize, notes: &Notes, script: &Script) -> std::io::Result<()> {
    let mut input = BufReader::new(stream);
    let send = |bytes: &[u8]| {
        (&mut &*stream).write_all(bytes)?;
        notes.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok::<(), std::io::Error>(())
    };
    while let Some(asked) = head(&mut input, connection)? {
        let (length, before) = (asked.length(), {
            let mut all = notes.asked.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(asked.clone());
            all.len() - 1
        });
        let answer = script(&asked, before);
        if !matches!(answer.after, After::Cut) {
            std::io::copy(&mut (&mut input).take(length), &mut std::io::sink())?;
        }
        send(&answer.bytes)?;
        match answer.after {
            After::KeepOpen => continue,
            After::Close | After::Cut => return Ok(()),
            After::Endless(bytes) => {
                for _ in 0..ENDLESS / bytes.len() as u64 {
                    send(&bytes)?;
                }
            }
            After::Slowly(bytes, pause) => {
                for byte in bytes {
                    std::thread::sleep(pause);
                    send(&[byte])?;
                }
            }
            // Until the client has had enough.
            After::Silence => drop(std::io::copy(&mut input, &mut std::io::sink())),
        }
        return Ok(());
    }
    Ok(())
}

fn head(input: &mut BufReader<&TcpStream>, connection: usize) -> std::io::Result<Option<Asked>> {
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Some(Asked { method, target, headers, connection }))
}
