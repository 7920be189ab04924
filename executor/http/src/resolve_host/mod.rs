//! Addresses of hosts, without the system's library.
//!
//! `getaddrinfo` loads plug-ins of the machine's C library, and in a static binary those are another version's: it may crash.
//! So the two files that every machine has are read here, and its name servers asked.
//!
//! Rules: `/etc/hosts` wins; `localhost` is this machine; questions go out one at a time, since many resolvers drop some of
//! several that come at once. Plug-ins (mDNS, LDAP) are not asked; a local stub that `/etc/resolv.conf` names is.
//! Must not know: what is fetched from the host.

mod files;
mod message;
mod question;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use files::Configuration;
use message::{Answer, Kind};
use question::Asker;

/// Why a host has no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResolveError {
    /// Those who know say that there is none.
    #[error("there is no host `{host}`; name servers asked: {servers}")]
    NoHost {
        /// The host.
        host: String,
        /// Who said so.
        servers: String,
    },
    /// Nobody who knows could be asked.
    #[error("the address of `{host}` cannot be found: {reason}")]
    NoAnswer {
        /// The host.
        host: String,
        /// What the last name server did.
        reason: String,
    },
}

/// Where addresses are looked up.
#[derive(Debug, Clone)]
pub(crate) struct HostResolver {
    hosts: PathBuf,
    configuration: PathBuf,
    port: u16,
}

impl Default for HostResolver {
    fn default() -> Self {
        Self { hosts: "/etc/hosts".into(), configuration: "/etc/resolv.conf".into(), port: 53 }
    }
}

impl HostResolver {
    /// All addresses of a host, at least one; `host` is a name or an address.
    ///
    /// # Errors
    /// If it has none, or no name server answers.
    pub(crate) fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse() {
            return Ok(vec![address]);
        }
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        // A file that is not there says nothing.
        let known = files::addresses_of(&name, &std::fs::read(&self.hosts).unwrap_or_default());
        if !known.is_empty() {
            return Ok(known);
        }
        if name == "localhost" || name.ends_with(".localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        self.ask(host)
    }

    fn ask(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let configuration = Configuration::read(&std::fs::read(&self.configuration).unwrap_or_default());
        let asker = Asker::new(&configuration, self.port);
        let mut silence = None;
        for name in configuration.candidates(host) {
            match both_kinds(&asker, &name) {
                Ok(addresses) if !addresses.is_empty() => return Ok(addresses),
                Ok(_) => {}
                Err(reason) => silence = Some(reason),
            }
        }
        Err(match silence {
            Some(reason) => ResolveError::NoAnswer { host: host.to_owned(), reason },
            None => ResolveError::NoHost { host: host.to_owned(), servers: configuration.servers_text() },
        })
    }
}

/// Addresses of both kinds. With one of the first kind, silence about the second is no failure.
fn both_kinds(asker: &Asker<'_>, name: &str) -> Result<Vec<IpAddr>, String> {
    let mut addresses = match asker.ask(name, Kind::V4)? {
        Answer::NoSuchName => return Ok(vec![]),
        Answer::Addresses(addresses) => addresses,
    };
    match asker.ask(name, Kind::V6) {
        Ok(Answer::Addresses(more)) => addresses.extend(more),
        Ok(Answer::NoSuchName) => {}
        Err(reason) if addresses.is_empty() => return Err(reason),
        Err(_) => {}
    }
    Ok(addresses)
}
