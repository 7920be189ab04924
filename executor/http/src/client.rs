//! The client: connections that are kept, hosts that are looked up once, deadlines.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::resolve_host::HostResolver;
use crate::trust::Trust;

/// How many connections to a host are kept for the next request. No fewer than any caller uses at once, or each request
/// begins with a new one.
const CONNECTIONS: usize = 32;
/// ureq keeps no more.
const MOST_ADDRESSES: usize = 16;

/// The longest head of an answer. It is more than is read at once: ureq takes all that it has read for a head if that begins
/// with an informational answer.
const LONGEST_HEAD: usize = 256 << 10;

/// How long is waited. Bytes that come are waited for without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the head of an answer, and while a peer sends or takes nothing.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(30), silence: Duration::from_secs(60) }
    }
}

/// An HTTP client. It follows redirects, honours the usual proxy variables, and trusts the machine's certificates. Cheap to
/// clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Http {
    agent: ureq::Agent,
    offline: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}

impl Http {
    /// A client that waits 30 s for a connection and 60 s for more bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::trusting(&Trust::default())
    }

    /// A client with certificates of its own.
    #[must_use]
    pub fn trusting(trust: &Trust) -> Self {
        Self::patient(trust, Patience::default())
    }

    /// A client with certificates of its own that waits so long.
    #[must_use]
    pub fn patient(trust: &Trust, patience: Patience) -> Self {
        Self::made_of(trust, HostResolver::default(), patience)
    }

    /// A client that opens no socket: whatever it is asked for is an error that says so.
    #[must_use]
    pub fn offline() -> Self {
        Self { offline: true, ..Self::new() }
    }

    pub(crate) fn made_of(trust: &Trust, hosts: HostResolver, patience: Patience) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.silence))
            .timeout_per_read(Some(patience.silence))
            .timeout_per_write(Some(patience.silence))
            .max_response_header_size(LONGEST_HEAD)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("sinter/", env!("CARGO_PKG_VERSION")))
            .tls_config(trust.config())
            .max_idle_connections(CONNECTIONS * 4)
            .max_idle_connections_per_host(CONNECTIONS)
            .build();
        let lookups = Lookups { hosts, ..Lookups::default() };
        Self { agent: ureq::Agent::with_parts(config, DefaultConnector::default(), lookups), offline: false }
    }

    pub(crate) const fn agent(&self) -> &ureq::Agent {
        &self.agent
    }

    pub(crate) const fn is_offline(&self) -> bool {
        self.offline
    }
}

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

fn host_and_port(uri: &ureq::http::Uri) -> Result<(&str, u16), ureq::Error> {
    let host = uri.host().filter(|host| !host.is_empty()).ok_or(ureq::Error::HostNotFound)?;
    let usual = match uri.scheme_str() {
        Some("https") => 443,
        Some("socks4" | "socks4a" | "socks5" | "socks") => 1080,
        _ => 80,
    };
    Ok((host, uri.port_u16().unwrap_or(usual)))
}
