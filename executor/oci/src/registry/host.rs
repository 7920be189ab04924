//! One registry: where it is asked, with its connections and tokens.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use sinter_graph::image_reference::DEFAULT_HOST;
use sinter_http::{Http, same_origin};

use super::environment::Environment;
use super::token::Tokens;

/// Where the default host is really asked.
const DEFAULT_ENDPOINT: &str = "registry-1.docker.io";

/// One registry.
#[derive(Debug)]
pub(super) struct Host {
    /// As references name it.
    pub(super) name: String,
    pub(super) http: Http,
    pub(super) environment: Environment,
    pub(super) tokens: Tokens,
    endpoint: String,
    is_plain: AtomicBool,
    /// Whether it has answered: from then on the scheme stays.
    is_settled: AtomicBool,
}

impl Host {
    /// The registry of this name. Plain http will do if somebody said so, or if nobody is between.
    pub(super) fn new(name: &str, http: Http, environment: Environment, may_be_plain: bool) -> Self {
        let endpoint = if name == DEFAULT_HOST { DEFAULT_ENDPOINT } else { name };
        let is_local = is_loopback(name) && may_be_plain;
        Self {
            name: name.to_owned(),
            http,
            environment,
            tokens: Tokens::default(),
            endpoint: endpoint.to_owned(),
            is_plain: AtomicBool::new(is_local),
            is_settled: AtomicBool::new(!may_be_plain),
        }
    }

    /// An address on this host.
    pub(super) fn url(&self, path: &str) -> String {
        let scheme = if self.is_plain.load(Ordering::Relaxed) { "http" } else { "https" };
        format!("{scheme}://{}{path}", self.endpoint)
    }

    /// The address of the other scheme, as long as there was no answer and if plain http will do.
    pub(super) fn other_url(&self, path: &str) -> Option<String> {
        let scheme = if self.is_plain.load(Ordering::Relaxed) { "https" } else { "http" };
        (!self.is_settled.load(Ordering::Relaxed)).then(|| format!("{scheme}://{}{path}", self.endpoint))
    }

    /// Notes where an answer came from. Who we are was not said before: nobody can have asked.
    pub(super) fn settle(&self, url: &str) {
        if !self.is_settled.swap(true, Ordering::Relaxed) {
            self.is_plain.store(url.starts_with("http://"), Ordering::Relaxed);
        }
    }

    /// Whether an address is on this host, so that it may know who we are.
    pub(super) fn is_own(&self, url: &str) -> bool {
        same_origin(url, &self.url("/"))
    }
}

/// Whether a host is this machine: then nobody is between.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost" || name.ends_with(".localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, may_be_plain: bool) -> Host {
        Host::new(name, Http::offline(), Environment::default(), may_be_plain)
    }

    #[test]
    fn this_machine_is_known_by_name_and_address() {
        for (name, expected) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("x.localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("127.8.8.8", true),
            ("[::1]:5000", true),
            ("[::1]", true),
            ("[::2]:5000", false),
            ("localhost.example", false),
            ("evillocalhost", false),
            ("127.0.0.1.example", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(name), expected, "{name}");
        }
    }

    #[test]
    fn the_first_answer_settles_the_scheme() {
        for (name, may_be_plain, first, other) in [
            ("a.example", false, "https://a.example/x", None),
            ("docker.io", false, "https://registry-1.docker.io/x", None),
            ("a.example:1", true, "https://a.example:1/x", Some("http://a.example:1/x")),
            ("localhost:1", true, "http://localhost:1/x", Some("https://localhost:1/x")),
            // Somebody put certificates there.
            ("localhost:1", false, "https://localhost:1/x", None),
        ] {
            let unasked = host(name, may_be_plain);
            assert_eq!((unasked.url("/x").as_str(), unasked.other_url("/x").as_deref()), (first, other), "{name}");
            for answered in [Some(first), other].into_iter().flatten() {
                let host = host(name, may_be_plain);
                host.settle(answered);
                assert_eq!((host.url("/x").as_str(), host.other_url("/x")), (answered, None), "{name}");
                // Later answers, from where it redirects to for instance, change nothing.
                host.settle("http://elsewhere/");
                host.settle("https://elsewhere/");
                assert_eq!(host.url("/x"), answered, "{name}");
            }
        }
    }

    #[test]
    fn who_we_are_is_for_the_host_alone() {
        let host = host("a.example:5000", false);
        for (url, expected) in [
            ("https://a.example:5000/v2/", true),
            ("https://A.example:5000/elsewhere?x", true),
            ("http://a.example:5000/v2/", false),
            ("https://a.example/v2/", false),
            ("https://a.example:5000.evil.example/", false),
            ("https://a.example:5000@evil.example/", false),
            ("https://evil.example/a.example:5000/", false),
            ("/v2/", false),
        ] {
            assert_eq!(host.is_own(url), expected, "{url}");
        }
    }
}
