//! Tokens of a registry's token server (distribution, "Token Authentication" and "OAuth2").

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use sinter_http::{Body, FetchError, Http, HttpRequest, HttpResponse, Method, resolve};

use super::credentials::Credentials;
use super::error::RegistryError;
use super::message::message;

/// How long a token lives if the server does not say ("Token Authentication").
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// No token is believed in for longer.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// So much earlier a new one is asked for.
const MARGIN: Duration = Duration::from_secs(10);
/// No answer of a token server is longer.
const LONGEST: u64 = 1 << 20;
/// How we introduce ourselves to OAuth2 servers.
const CLIENT: &str = "sinter";

/// What a token is for: `repository:NAME:pull` and the like, sorted.
pub(super) type Scopes = Vec<String>;

/// The values of `Authorization` that are known, by what they are for.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<HashMap<Scopes, (String, Option<Instant>)>>);

impl Tokens {
    /// What to send for these scopes, if that is known and not about to end.
    pub(super) fn get(&self, scopes: &Scopes) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, end) = known.get(scopes)?;
        end.is_none_or(|end| end > Instant::now()).then(|| value.clone())
    }

    /// Forgets a value that was refused.
    pub(super) fn forget(&self, scopes: &Scopes) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(scopes);
    }

    pub(super) fn keep(&self, scopes: &Scopes, value: &str, life: Option<Duration>) {
        let end = life.map(|life| Instant::now() + life.min(LONGEST_LIFE).saturating_sub(MARGIN.min(life / 2)));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(scopes.clone(), (value.to_owned(), end));
    }
}

/// A question to a token server.
pub(super) struct Asked<'a> {
    pub(super) host: &'a str,
    /// An address of the registry.
    pub(super) base: &'a str,
    pub(super) realm: &'a str,
    pub(super) service: Option<&'a str>,
    pub(super) scopes: &'a [String],
    pub(super) credentials: Option<&'a Credentials>,
}

impl Asked<'_> {
    /// The token server may be one that nobody has heard of.
    fn failed(&self, error: FetchError) -> RegistryError {
        let FetchError::Transport { url, reason, is_final } = error else { return error.into() };
        let reason = format!("{reason} (it was asked for a token of {})", self.host);
        FetchError::Transport { url, reason, is_final }.into()
    }
}

/// Gets a token and how long it lives.
///
/// # Errors
/// If the server refuses, or answers something else.
pub(super) fn fetch(http: &Http, asked: &Asked<'_>) -> Result<(String, Duration), RegistryError> {
    let protocol = |reason: String| RegistryError::Protocol { host: asked.host.to_owned(), reason };
    let realm = resolve(asked.base, asked.realm)
        .map_err(|error| protocol(format!("the place that it names for its tokens is not asked: {error}")))?;
    let form: String;
    let mut request = match asked.credentials {
        Some(Credentials::Identity(token)) => {
            let mut pairs = vec![("grant_type", "refresh_token"), ("client_id", CLIENT), ("refresh_token", token)];
            pairs.extend(asked.service.map(|service| ("service", service)));
            let scope = asked.scopes.join(" ");
            pairs.push(("scope", &scope));
            form = encoded(&pairs);
            let request = HttpRequest::new(Method::Post, realm);
            let mut request = request.with("content-type", "application/x-www-form-urlencoded");
            request.body = Body::Bytes(form.as_bytes());
            request
        }
        _ => {
            let service = asked.service.map(|service| ("service", service));
            let scopes = asked.scopes.iter().map(|scope| ("scope", scope.as_str()));
            let pairs: Vec<(&str, &str)> = service.into_iter().chain(scopes).collect();
            let separator = if realm.contains('?') { '&' } else { '?' };
            HttpRequest::new(Method::Get, format!("{realm}{separator}{}", encoded(&pairs)))
        }
    };
    if let Some(Credentials::Password { user, password }) = asked.credentials {
        request.authorization = Some(basic(user, password));
    }
    let mut response = http.send(request).map_err(|error| asked.failed(error))?;
    if response.status() != 200 {
        return Err(refused(asked, &mut response));
    }
    let body = response.bytes(LONGEST).map_err(|error| asked.failed(error))?;
    let answer: Value =
        serde_json::from_slice(&body).map_err(|_| protocol("its token server answers no JSON".to_owned()))?;
    let token = answer["token"].as_str().or_else(|| answer["access_token"].as_str()).filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| protocol("its token server gives no token".to_owned()))?;
    if token.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(protocol("its token cannot stand in a header".to_owned()));
    }
    let life = answer["expires_in"].as_u64().filter(|seconds| *seconds > 0).map_or(DEFAULT_LIFE, Duration::from_secs);
    Ok((format!("Bearer {token}"), life))
}

fn refused(asked: &Asked<'_>, response: &mut HttpResponse) -> RegistryError {
    let (host, status, said) = (asked.host.to_owned(), response.status(), message(response));
    match status {
        429 => RegistryError::TooMany { host, said },
        400..=403 => RegistryError::Denied { host, repository: asked.scopes.join(" "), said, help: String::new() },
        _ => RegistryError::Status { host, action: "a question for a token".to_owned(), status, said },
    }
}

/// The value of `Authorization` for a name and a password (RFC 7617).
pub(super) fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {pair}")
}

/// `application/x-www-form-urlencoded` (WHATWG URL, section 5.2).
fn encoded(pairs: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{}={}", escaped(name), escaped(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Percent-encoding of everything but unreserved characters (RFC 3986, 2.1 and 2.3).
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
