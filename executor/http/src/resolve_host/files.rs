//! `/etc/hosts` and `/etc/resolv.conf`, as hosts(5) and resolv.conf(5) describe them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// More are ignored, as resolv.conf(5) says.
const MOST_SERVERS: usize = 3;

/// The addresses that a hosts file gives a name in lower case.
pub(super) fn addresses_of(name: &str, hosts: &[u8]) -> Vec<IpAddr> {
    let text = String::from_utf8_lossy(hosts);
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
    let address = |mut words: std::str::SplitWhitespace<'_>| {
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    };
    lines.filter_map(address).collect()
}

/// Whom to ask, and for which names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Configuration {
    pub(super) servers: Vec<IpAddr>,
    search: Vec<String>,
    /// A name with so many dots is tried as it is before the search list.
    dots: usize,
    /// How long a server may take.
    pub(super) timeout: Duration,
    /// How often each server is asked.
    pub(super) attempts: u32,
}

impl Configuration {
    /// Reads a resolv.conf. Lines that are not understood are passed over, as everybody does.
    pub(super) fn read(file: &[u8]) -> Self {
        let mut read = Self { servers: vec![], search: vec![], dots: 1, timeout: Duration::from_secs(5), attempts: 2 };
        for line in String::from_utf8_lossy(file).lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => read.servers.extend(words.next().and_then(|word| word.parse::<IpAddr>().ok())),
                Some("search" | "domain") => read.search = words.map(str::to_owned).collect(),
                Some("options") => words.for_each(|option| read.option(option)),
                _ => {}
            }
        }
        read.servers.truncate(MOST_SERVERS);
        if read.servers.is_empty() {
            read.servers.push(Ipv4Addr::LOCALHOST.into());
        }
        read
    }

    fn option(&mut self, option: &str) {
        let Some((name, Ok(value))) = option.split_once(':').map(|(name, value)| (name, value.parse::<u32>())) else {
            return;
        };
        match name {
            "ndots" => self.dots = value.min(15) as usize,
            "timeout" => self.timeout = Duration::from_secs(value.clamp(1, 30).into()),
            "attempts" => self.attempts = value.clamp(1, 5),
            _ => {}
        }
    }

    /// The full names that may be meant, in the order in which they are tried.
    pub(super) fn candidates(&self, host: &str) -> Vec<String> {
        if let Some(absolute) = host.strip_suffix('.') {
            return vec![absolute.to_owned()];
        }
        let searched = self.search.iter().map(|domain| format!("{host}.{}", domain.trim_matches('.')));
        let mut names: Vec<String> = searched.collect();
        let is_first = host.matches('.').count() >= self.dots;
        names.insert(if is_first { 0 } else { names.len() }, host.to_owned());
        names
    }

    /// The servers, for people.
    pub(super) fn servers_text(&self) -> String {
        self.servers.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_give_every_address_of_a_name() {
        let file = b"127.0.0.1 localhost # self\n\n::1 LOCALHOST ip6\n#10.0.0.1 no\n10.0.0.2\tmirror.corp  Mirror\nbad mirror\n\xff\xff\n";
        for (name, addresses) in [
            ("localhost", &["127.0.0.1", "::1"][..]),
            ("mirror", &["10.0.0.2"]),
            ("mirror.corp", &["10.0.0.2"]),
            ("self", &[]),
            ("no", &[]),
        ] {
            let found: Vec<String> = addresses_of(name, file).iter().map(IpAddr::to_string).collect();
            assert_eq!(found, addresses, "{name}");
        }
    }

    #[test]
    fn configuration_is_read_as_documented() {
        let file = b"# comment\ndomain old\nsearch a.example b.example.\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\n\
                     nameserver ::1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\noptions ndots:2 timeout:0 attempts:99 rotate x:y\n";
        let read = Configuration::read(file);
        assert_eq!(read.servers_text(), "10.0.0.1, ::1, 10.0.0.2");
        assert_eq!((read.timeout, read.attempts), (Duration::from_secs(1), 5));
        assert_eq!(read.candidates("m.x"), ["m.x.a.example", "m.x.b.example", "m.x"]);
        assert_eq!(read.candidates("m.x.y"), ["m.x.y", "m.x.y.a.example", "m.x.y.b.example"]);
        assert_eq!(read.candidates("m."), ["m"]);
        let empty = Configuration::read(b"");
        assert_eq!((empty.servers_text().as_str(), empty.candidates("m.x")), ("127.0.0.1", vec!["m.x".to_owned()]));
    }
}
