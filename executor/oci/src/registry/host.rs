//! One registry: where it is asked, with its connections and tokens.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use sinter_graph::image_reference::DEFAULT_HOST;
use sinter_http::Http;

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
    may_be_plain: bool,
    is_plain: AtomicBool,
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
            may_be_plain,
            is_plain: AtomicBool::new(is_local),
        }
    }

    /// An address on this host.
    pub(super) fn url(&self, path: &str) -> String {
        let scheme = if self.is_plain.load(Ordering::Relaxed) { "http" } else { "https" };
        format!("{scheme}://{}{path}", self.endpoint)
    }

    /// Turns to the other scheme after an exchange failed, if that is allowed and has not been tried; from then on it stays.
    pub(super) fn turn(&self, was: &str) -> bool {
        let was_plain = was.starts_with("http://");
        self.may_be_plain
            && self.is_plain.compare_exchange(was_plain, !was_plain, Ordering::Relaxed, Ordering::Relaxed).is_ok()
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
