//! One exchange with a registry, with all that it takes to be let in.

use std::io::{self, Read};
use std::time::Duration;

use serde_json::Value;
use sinter_http::{Body, FetchError, HttpRequest, HttpResponse, Method, Retry};

use super::challenge::{Challenge, parse};
use super::credentials::{Credentials, find};
use super::error::RegistryError;
use super::host::Host;
use super::token::{Asked, Scopes, basic, fetch};

/// No error message is longer.
const LONGEST_MESSAGE: u64 = 64 << 10;

/// What is sent.
pub(super) enum Content<'a> {
    Nothing,
    Bytes(&'a [u8]),
    /// So many bytes, from the beginning each time it is opened.
    Opened(u64, &'a dyn Fn() -> io::Result<Box<dyn Read + 'a>>),
}

/// A request to a registry.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// Below the host, or a whole address that it gave.
    pub(super) url: &'a str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) content: Content<'a>,
    /// The repository, and what is done with it: `pull`, or `pull,push`.
    pub(super) repository: &'a str,
    pub(super) actions: &'static str,
    /// Another repository that is read in the same go.
    pub(super) from: Option<&'a str>,
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, url: &'a str, repository: &'a str, actions: &'static str) -> Self {
        Self { method, url, headers: vec![], content: Content::Nothing, repository, actions, from: None }
    }

    fn scopes(&self) -> Scopes {
        let mut scopes = vec![format!("repository:{}:{}", self.repository, self.actions)];
        scopes.extend(self.from.map(|from| format!("repository:{from}:pull")));
        scopes.sort();
        scopes
    }
}

impl Host {
    /// Makes an exchange, again after failures that may pass. The answer has any status but those that say who we are is
    /// not enough, and those that say to come back later.
    ///
    /// # Errors
    /// If it denies, if no answer comes, or if it keeps us away.
    pub(super) fn ask(&self, ask: &Ask<'_>) -> Result<HttpResponse, RegistryError> {
        let mut retry = Retry::default();
        loop {
            let (error, wait) = match self.once_let_in(ask) {
                Ok(response) if !Retry::is_worthwhile(response.status()) => return self.not_limited(response),
                Ok(response) => {
                    let wait = Retry::asked_by(&response);
                    (self.refused(ask, response), wait)
                }
                Err(RegistryError::Http(error @ FetchError::Transport { is_final: false, .. })) => {
                    (RegistryError::Http(error), None)
                }
                Err(error @ RegistryError::TooMany { .. }) => (error, Some(Duration::from_secs(1))),
                Err(error) => return Err(error),
            };
            if !retry.wait(wait) {
                return Err(error);
            }
        }
    }

    /// Some answer their rate limit as if it were a lack of rights.
    fn not_limited(&self, response: HttpResponse) -> Result<HttpResponse, RegistryError> {
        if response.status() != 403 {
            return Ok(response);
        }
        Err(self.denied_or_limited("", response, None))
    }

    fn once_let_in(&self, ask: &Ask<'_>) -> Result<HttpResponse, RegistryError> {
        let scopes = ask.scopes();
        let response = self.send(ask, self.tokens.get(&scopes))?;
        if !asks_for_more(&response) {
            return Ok(response);
        }
        self.tokens.forget(&scopes);
        let header: Vec<&str> = response.headers("www-authenticate").collect();
        let challenges: Vec<Challenge> = header.iter().flat_map(|value| parse(value)).collect();
        if challenges.is_empty() {
            return Err(self.denied_or_limited(ask.repository, response, None));
        }
        let credentials = find(&self.environment, &self.name, ask.repository)?;
        let known = credentials.as_ref().map(|(found, _)| found);
        let Some(value) = self.enter(ask, &challenges, &scopes, known)? else {
            return Err(self.denied_or_limited(ask.repository, response, credentials.as_ref().map(|(_, file)| file)));
        };
        let again = self.send(ask, Some(value))?;
        if asks_for_more(&again) || again.status() == 403 {
            self.tokens.forget(&scopes);
            return Err(self.denied_or_limited(ask.repository, again, credentials.as_ref().map(|(_, file)| file)));
        }
        Ok(again)
    }

    /// What to send after a challenge; `None` if there is nothing.
    fn enter(
        &self,
        ask: &Ask<'_>,
        challenges: &[Challenge],
        scopes: &Scopes,
        credentials: Option<&Credentials>,
    ) -> Result<Option<String>, RegistryError> {
        if let Some(Credentials::Token(token)) = credentials {
            return Ok(Some(format!("Bearer {token}")));
        }
        for challenge in challenges {
            match (challenge, credentials) {
                (Challenge::Bearer { realm, service, scope }, _) => {
                    // What the registry says that it takes counts beside what we mean to do.
                    let mut wanted = scopes.clone();
                    let named = scope.iter().flat_map(|scope| scope.split(' ')).filter(|scope| !scope.is_empty());
                    wanted.extend(named.filter(|scope| !is_covered(scope, scopes)).map(str::to_owned));
                    let service = service.as_deref();
                    let asked = Asked { host: &self.name, realm, service, scopes: &wanted, credentials };
                    let (value, life) = fetch(&self.http, &asked).map_err(|error| self.helped(ask, error))?;
                    self.tokens.keep(scopes, &value, Some(life));
                    return Ok(Some(value));
                }
                (Challenge::Basic, Some(Credentials::Password { user, password })) => {
                    let value = basic(user, password);
                    self.tokens.keep(scopes, &value, None);
                    return Ok(Some(value));
                }
                (Challenge::Basic, _) => {}
            }
        }
        Ok(None)
    }

    fn helped(&self, ask: &Ask<'_>, error: RegistryError) -> RegistryError {
        let RegistryError::Denied { host, said, .. } = error else { return error };
        let file = find(&self.environment, &self.name, ask.repository).ok().flatten().map(|(_, file)| file);
        let (repository, help) = (ask.repository.to_owned(), self.help(file.as_ref()));
        RegistryError::Denied { host, repository, said, help }
    }

    fn help(&self, file: Option<&std::path::PathBuf>) -> String {
        let used = file.map_or_else(
            || "no credentials for it were found".to_owned(),
            |file| format!("the credentials are those of {}", file.display()),
        );
        format!("{used}; `docker login {host}` or `podman login {host}` stores them", host = self.name)
    }

    fn denied_or_limited(
        &self,
        repository: &str,
        mut response: HttpResponse,
        file: Option<&std::path::PathBuf>,
    ) -> RegistryError {
        let said = message(&mut response);
        if said.to_ascii_lowercase().contains("rate limit") {
            return RegistryError::TooMany { host: self.name.clone(), said };
        }
        let (host, repository) = (self.name.clone(), repository.to_owned());
        RegistryError::Denied { host, repository, said, help: self.help(file) }
    }

    /// The error for an answer that is none of those hoped for.
    pub(super) fn refused(&self, ask: &Ask<'_>, mut response: HttpResponse) -> RegistryError {
        let (host, status) = (self.name.clone(), response.status());
        let said = message(&mut response);
        match status {
            429 => RegistryError::TooMany { host, said },
            401 | 403 => {
                RegistryError::Denied { host, repository: ask.repository.to_owned(), said, help: self.help(None) }
            }
            _ => {
                let action = format!("{:?} of {}", ask.method, ask.repository).to_lowercase();
                RegistryError::Status { host, action, status, said }
            }
        }
    }

    fn send(&self, ask: &Ask<'_>, authorization: Option<String>) -> Result<HttpResponse, RegistryError> {
        let url = if ask.url.starts_with('/') { self.url(ask.url) } else { ask.url.to_owned() };
        // Who we are is this host's to know. Elsewhere, a storage for instance, the address itself lets us in.
        let is_own = ask.url.starts_with('/') || url.starts_with(&self.url("/"));
        let authorization = authorization.filter(|_| is_own);
        match self.send_to(ask, &url, authorization.clone()) {
            Err(RegistryError::Http(FetchError::Transport { .. })) if ask.url.starts_with('/') && self.turn(&url) => {
                self.send_to(ask, &self.url(ask.url), authorization)
            }
            result => result,
        }
    }

    fn send_to(&self, ask: &Ask<'_>, url: &str, authorization: Option<String>) -> Result<HttpResponse, RegistryError> {
        let mut opened: Box<dyn Read>;
        let body = match &ask.content {
            Content::Nothing => Body::Empty,
            Content::Bytes(bytes) => Body::Bytes(bytes),
            Content::Opened(length, open) => {
                opened = open().map_err(|error| FetchError::Io { path: url.into(), source: error })?;
                Body::Stream { length: *length, reader: &mut opened }
            }
        };
        let (url, headers) = (url.to_owned(), ask.headers.clone());
        Ok(self.http.send(HttpRequest { method: ask.method, url, headers, authorization, body })?)
    }
}

fn asks_for_more(response: &HttpResponse) -> bool {
    let is_scope = || response.headers("www-authenticate").any(|value| value.contains("insufficient_scope"));
    response.status() == 401 || (response.status() == 403 && is_scope())
}

fn is_covered(scope: &str, scopes: &Scopes) -> bool {
    let actions = |scope: &str| -> Option<(String, Vec<String>)> {
        let (name, actions) = scope.rsplit_once(':')?;
        Some((name.to_owned(), actions.split(',').map(str::to_owned).collect()))
    };
    let Some((name, wanted)) = actions(scope) else { return false };
    scopes
        .iter()
        .filter_map(|scope| actions(scope))
        .any(|(known, has)| known == name && wanted.iter().all(|action| has.contains(action)))
}

/// What an answer says in words (distribution-spec v1.1, "Error Codes").
fn message(response: &mut HttpResponse) -> String {
    let body = response.bytes(LONGEST_MESSAGE).unwrap_or_default();
    let document: Option<Value> = serde_json::from_slice(&body).ok();
    let first = document.as_ref().and_then(|document| document["errors"].get(0));
    let part = |name: &str| first.and_then(|error| error[name].as_str()).filter(|text| !text.is_empty());
    let text = match (part("message"), part("code")) {
        (Some(message), Some(code)) => format!("{message} ({code})"),
        (Some(message), None) => message.to_owned(),
        (None, Some(code)) => code.to_owned(),
        (None, None) => {
            let plain = document.as_ref().and_then(|document| document["message"].as_str()).map(str::to_owned);
            plain.unwrap_or_else(|| String::from_utf8_lossy(&body).trim().to_owned())
        }
    };
    let short: String = text.chars().filter(|character| !character.is_control()).take(300).collect();
    if short.is_empty() { format!("status {}", response.status()) } else { short }
}
