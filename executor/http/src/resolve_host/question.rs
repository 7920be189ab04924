//! Asking name servers: over UDP, and over TCP where an answer does not fit (RFC 7766).

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::resolve_host::files::Configuration;
use crate::resolve_host::message::{self, Answer, Kind, Reply};

/// Asks the servers of a configuration.
pub(super) struct Asker<'a> {
    configuration: &'a Configuration,
    port: u16,
}

/// How much of a packet is read: without an extension nobody sends more than 512 bytes.
const PACKET: usize = 4096;

impl<'a> Asker<'a> {
    pub(super) fn new(configuration: &'a Configuration, port: u16) -> Self {
        Self { configuration, port }
    }

    /// The first answer of any server.
    ///
    /// # Errors
    /// If none answers; the reason names the last one.
    pub(super) fn ask(&self, name: &str, kind: Kind) -> Result<Answer, String> {
        let Some(question) = message::question(random(), name, kind) else {
            return Err(format!("`{name}` is no name of a host"));
        };
        let mut reason = String::new();
        for _ in 0..self.configuration.attempts {
            for server in &self.configuration.servers {
                let address = SocketAddr::new(*server, self.port);
                match self.ask_one(address, &question, kind) {
                    Ok(Reply::Answer(answer)) => return Ok(answer),
                    Ok(Reply::Refused(code)) => reason = format!("name server {server} refuses (code {code})"),
                    Ok(_) => reason = format!("name server {server} answers with rubbish"),
                    Err(error) => reason = format!("name server {server} does not answer: {error}"),
                }
            }
        }
        Err(reason)
    }

    fn ask_one(&self, server: SocketAddr, question: &[u8], kind: Kind) -> io::Result<Reply> {
        match over_udp(server, question, kind, self.configuration.timeout)? {
            Reply::Truncated => over_tcp(server, question, kind, self.configuration.timeout),
            reply => Ok(reply),
        }
    }
}

fn over_udp(server: SocketAddr, question: &[u8], kind: Kind, timeout: Duration) -> io::Result<Reply> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    // From here on only what that server sends is heard.
    socket.connect(server)?;
    socket.send(question)?;
    let end = Instant::now() + timeout;
    let mut packet = [0; PACKET];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = match socket.recv(&mut packet) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => continue,
            received => received?,
        };
        // A late answer to another question, or a forged one, ends nothing.
        match message::reply(question, &packet[..length], kind) {
            Reply::Unrelated => {}
            reply => return Ok(reply),
        }
    }
}

fn over_tcp(server: SocketAddr, question: &[u8], kind: Kind, timeout: Duration) -> io::Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&server, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    Ok(message::reply(question, &answer, kind))
}

/// A number that nobody outside can guess: the seed of the standard library's hash tables.
fn random() -> u16 {
    let [first, second, ..] = RandomState::new().build_hasher().finish().to_be_bytes();
    u16::from_be_bytes([first, second])
}
