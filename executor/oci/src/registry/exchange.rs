//! One exchange with a registry, with all that it takes to be let in.

use std::io::{self, Read};
use std::time::Duration;

use sinter_http::{Body, FetchError, HttpRequest, HttpResponse, Method, Retry};

use super::challenge::{Challenge, parse};
use super::credentials::{Credentials, find};
use super::error::RegistryError;
use super::host::Host;
use super::message::message;
use super::token::{Asked, Scopes, basic, fetch};

/// How long to wait for who does not say how long.
const RATE_PAUSE: Duration = Duration::from_secs(1);

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
    /// Whether a broken exchange is the caller's to go on with, because what came of it is not known.
    pub(super) is_resumed: bool,
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, url: &'a str, repository: &'a str, actions: &'static str) -> Self {
        Self {
            method,
            url,
            headers: vec![],
            content: Content::Nothing,
            repository,
            actions,
            from: None,
            is_resumed: false,
        }
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
        Ok(self.ask_and(ask, |_| Ok(()))?.0)
    }

    /// The same with the body of an answer 200, which counts as part of the exchange.
    ///
    /// # Errors
    /// As [`Host::ask`], and if the body is longer than `limit`.
    pub(super) fn ask_whole(&self, ask: &Ask<'_>, limit: u64) -> Result<(HttpResponse, Vec<u8>), RegistryError> {
        self.ask_and(ask, |response| if response.status() == 200 { response.bytes(limit) } else { Ok(vec![]) })
    }

    fn ask_and<T>(
        &self,
        ask: &Ask<'_>,
        read: impl Fn(&mut HttpResponse) -> Result<T, FetchError>,
    ) -> Result<(HttpResponse, T), RegistryError> {
        let mut retry = Retry::default();
        loop {
            let result = self.answered(ask).and_then(|mut response| {
                let read = read(&mut response).map_err(|error| (error.into(), None))?;
                Ok((response, read))
            });
            let (error, wait) = match result {
                Ok(found) => return Ok(found),
                Err(failed) => failed,
            };
            let may_pass = match &error {
                RegistryError::TooMany { .. } => true,
                RegistryError::Status { status, .. } => Retry::is_worthwhile(*status),
                RegistryError::Http(FetchError::Transport { is_final, .. }) => !is_final && !ask.is_resumed,
                _ => false,
            };
            if !may_pass || !retry.wait(wait) {
                return Err(error);
            }
        }
    }

    /// One answer, or why there is none and how long to wait before asking again.
    fn answered(&self, ask: &Ask<'_>) -> Result<HttpResponse, (RegistryError, Option<Duration>)> {
        let response = self.once_let_in(ask).map_err(|error| {
            let wait = matches!(error, RegistryError::TooMany { .. }).then_some(RATE_PAUSE);
            (error, wait)
        })?;
        let wait = Retry::asked_by(&response);
        match response.status() {
            status if Retry::is_worthwhile(status) => Err((self.refused(ask, response), wait)),
            // Some answer their rate limit as if it were a lack of rights.
            403 => Err((self.denied(ask, response, None), wait.or(Some(RATE_PAUSE)))),
            _ => Ok(response),
        }
    }

    fn once_let_in(&self, ask: &Ask<'_>) -> Result<HttpResponse, RegistryError> {
        let scopes = ask.scopes();
        let response = self.send(ask, self.tokens.get(&scopes))?;
        if !asks_for_more(&response) {
            return Ok(response);
        }
        if !self.is_own(response.url()) {
            // Where it sends us, nobody is told who we are, whatever server of tokens is named there.
            return Err(self.denied(ask, response, None));
        }
        self.tokens.forget(&scopes);
        let header: Vec<&str> = response.headers("www-authenticate").collect();
        let challenges: Vec<Challenge> = header.iter().flat_map(|value| parse(value)).collect();
        if challenges.is_empty() {
            return Err(self.denied(ask, response, None));
        }
        let credentials = find(&self.environment, &self.name, ask.repository)?;
        let known = credentials.as_ref().map(|(found, _)| found);
        let Some(value) = self.enter(ask, &challenges, &scopes, known)? else {
            return Err(self.denied(ask, response, credentials.as_ref().map(|(_, file)| file)));
        };
        let again = self.send(ask, Some(value))?;
        if asks_for_more(&again) || again.status() == 403 {
            self.tokens.forget(&scopes);
            return Err(self.denied(ask, again, credentials.as_ref().map(|(_, file)| file)));
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
                    let base = self.url("/");
                    let asked = Asked { host: &self.name, base: &base, realm, service, scopes: &wanted, credentials };
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

    fn denied(&self, ask: &Ask<'_>, mut response: HttpResponse, file: Option<&std::path::PathBuf>) -> RegistryError {
        if !self.is_own(response.url()) {
            return self.refused(ask, response);
        }
        let (host, said) = (self.name.clone(), message(&mut response));
        if said.to_ascii_lowercase().contains("rate limit") {
            return RegistryError::TooMany { host, said };
        }
        RegistryError::Denied { host, repository: ask.repository.to_owned(), said, help: self.help(file) }
    }

    /// The error for an answer that is none of those hoped for.
    pub(super) fn refused(&self, ask: &Ask<'_>, mut response: HttpResponse) -> RegistryError {
        let (host, status, is_own) = (self.name.clone(), response.status(), self.is_own(response.url()));
        let said = message(&mut response);
        match status {
            429 => RegistryError::TooMany { host, said },
            401 | 403 if is_own => {
                RegistryError::Denied { host, repository: ask.repository.to_owned(), said, help: self.help(None) }
            }
            _ => {
                let place = if is_own { String::new() } else { format!(" at {}", place_of(response.url())) };
                let action = format!("{} of {}{place}", format!("{:?}", ask.method).to_lowercase(), ask.repository);
                RegistryError::Status { host, action, status, said }
            }
        }
    }

    fn send(&self, ask: &Ask<'_>, authorization: Option<String>) -> Result<HttpResponse, RegistryError> {
        if !ask.url.starts_with('/') {
            // Who we are is this host's to know. Elsewhere, a storage for instance, the address itself lets us in.
            return self.send_to(ask, ask.url, authorization.filter(|_| self.is_own(ask.url)));
        }
        let url = self.url(ask.url);
        let error = match self.send_to(ask, &url, authorization) {
            Ok(response) => {
                self.settle(&url);
                return Ok(response);
            }
            Err(error) => error,
        };
        let RegistryError::Http(FetchError::Transport { url: first, reason, is_final }) = error else {
            return Err(error);
        };
        let other = self.other_url(ask.url).filter(|other| !is_final || other.starts_with("http://"));
        let Some(other) = other else {
            return Err(FetchError::Transport { url: first, reason, is_final }.into());
        };
        match self.send_to(ask, &other, None) {
            Ok(response) => {
                self.settle(&other);
                Ok(response)
            }
            Err(error) => {
                let reason = format!("{reason}; {error}");
                Err(FetchError::Transport { url: first, reason, is_final }.into())
            }
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

/// The host of an address.
fn place_of(url: &str) -> &str {
    url.split_once("://").and_then(|(_, rest)| rest.split('/').next()).unwrap_or(url)
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
