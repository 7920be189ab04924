//! One request and its answer.
//!
//! Rules: a status is no error here. Redirects are followed for GET and HEAD only, at most ten, never from https to http but
//! on this machine; what is secret goes to the origin it was meant for and to no other.

use std::io::{self, Read};

use ureq::{SendBody, http};

use crate::address::{resolve, same_origin, shown};
use crate::client::Http;
use crate::error::FetchError;
use crate::resolve_host::ResolveError;

const MOST_REDIRECTS: usize = 10;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are RFC 9110's")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

/// What is sent with it.
pub enum Body<'a> {
    /// Nothing.
    Empty,
    /// These bytes.
    Bytes(&'a [u8]),
    /// So many bytes of a reader.
    Stream {
        /// How many.
        length: u64,
        /// Where from.
        reader: &'a mut dyn Read,
    },
}

/// One request.
pub struct HttpRequest<'a> {
    /// What is to be done.
    pub method: Method,
    /// Where.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The value of `Authorization`, which no other origin gets to see.
    pub authorization: Option<String>,
    /// What is sent.
    pub body: Body<'a>,
}

impl HttpRequest<'_> {
    /// A request without a body.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: vec![], authorization: None, body: Body::Empty }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// An answer. Its body is read as it comes.
pub struct HttpResponse {
    inner: http::Response<ureq::Body>,
    url: String,
}

impl HttpResponse {
    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.inner.status().as_u16()
    }

    /// Where the answer comes from, after redirects.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The whole address that `Location` means; `None` if the answer has none.
    ///
    /// # Errors
    /// If it is not one that may be followed: what [`resolve`] refuses.
    pub fn location(&self) -> Result<Option<String>, FetchError> {
        let location = self.header("location").filter(|location| !location.is_empty());
        location.map(|location| resolve(&self.url, location)).transpose()
    }

    /// The first header of a name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// All headers of a name that are text.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.inner.headers().get_all(name).into_iter().filter_map(|value| value.to_str().ok())
    }

    /// The offset at which the body begins in what was asked for (RFC 9110, 14.4); `None` if the answer does not say.
    #[must_use]
    pub fn begins_at(&self) -> Option<u64> {
        if self.status() != 206 {
            return Some(0);
        }
        let range = self.header("content-range")?.strip_prefix("bytes ")?;
        range.split('-').next()?.trim().parse().ok()
    }

    /// The body, without a limit.
    pub fn reader(&mut self) -> impl Read {
        self.inner.body_mut().as_reader()
    }

    /// The body, for who keeps it.
    #[must_use]
    pub fn into_reader(self) -> Box<dyn Read + Send> {
        Box::new(self.inner.into_body().into_reader())
    }

    /// The whole body.
    ///
    /// # Errors
    /// If it has more than `limit` bytes, or breaks off.
    pub fn bytes(&mut self, limit: u64) -> Result<Vec<u8>, FetchError> {
        let mut body = Vec::new();
        let read = self.inner.body_mut().as_reader().take(limit.saturating_add(1)).read_to_end(&mut body);
        let broken = |error: io::Error| FetchError::Transport {
            url: shown(&self.url),
            reason: error.to_string(),
            is_final: false,
        };
        read.map_err(broken)?;
        if body.len() as u64 > limit {
            return Err(FetchError::TooLarge { url: shown(&self.url), limit });
        }
        Ok(body)
    }
}

impl Http {
    /// Makes one exchange, without a second try.
    ///
    /// # Errors
    /// If no answer comes, if the address is none, if redirects lead nowhere, or if what is to be sent cannot be read.
    pub fn send(&self, mut request: HttpRequest<'_>) -> Result<HttpResponse, FetchError> {
        let may_follow = matches!(request.method, Method::Get | Method::Head);
        let mut url = request.url.clone();
        let mut authorization = request.authorization.clone();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.once(&mut request, &url, authorization.as_deref())?;
            let is_redirect = may_follow && matches!(response.status(), 301 | 302 | 303 | 307 | 308);
            match if is_redirect { response.location()? } else { None } {
                Some(next) => {
                    if !same_origin(&next, &url) {
                        authorization = None;
                    }
                    url = next;
                }
                None => return Ok(response),
            }
        }
        Err(failed(&request.url, format!("it redirects more than {MOST_REDIRECTS} times")))
    }

    fn once(
        &self,
        request: &mut HttpRequest<'_>,
        url: &str,
        authorization: Option<&str>,
    ) -> Result<HttpResponse, FetchError> {
        if self.is_offline() {
            return Err(FetchError::Offline { url: shown(url) });
        }
        let method = match request.method {
            Method::Get => http::Method::GET,
            Method::Head => http::Method::HEAD,
            Method::Post => http::Method::POST,
            Method::Put => http::Method::PUT,
            Method::Patch => http::Method::PATCH,
            Method::Delete => http::Method::DELETE,
        };
        let mut builder = http::Request::builder().method(method).uri(url);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if let Some(authorization) = authorization {
            builder = builder.header("authorization", authorization);
        }
        let inner = match &mut request.body {
            Body::Empty if matches!(request.method, Method::Get | Method::Head | Method::Delete) => {
                self.run(builder, SendBody::none())
            }
            Body::Empty => self.run(builder.header("content-length", "0"), SendBody::none()),
            Body::Bytes(bytes) => {
                let mut reader: &[u8] = bytes;
                let builder = builder.header("content-length", reader.len().to_string());
                self.run(builder, SendBody::from_reader(&mut reader))
            }
            Body::Stream { length, reader } => {
                let builder = builder.header("content-length", length.to_string());
                let mut exact = Exact { reader: &mut **reader, left: *length, failed: None };
                let inner = self.run(builder, SendBody::from_reader(&mut exact));
                if let Some(reason) = exact.failed {
                    return Err(failed(url, format!("the bytes to send cannot be read: {reason}")));
                }
                inner
            }
        };
        Ok(HttpResponse { inner: inner.map_err(|error| broken(url, &error))?, url: url.to_owned() })
    }

    fn run(
        &self,
        builder: http::request::Builder,
        body: SendBody<'_>,
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        self.agent().run(builder.body(body)?)
    }
}

/// Gives exactly as many bytes as were promised, or an error: a short body would hang the exchange.
struct Exact<'a> {
    reader: &'a mut dyn Read,
    left: u64,
    /// Why it could not: that is no fault of the network.
    failed: Option<String>,
}

impl Read for Exact<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let read = match self.reader.read(&mut buffer[..wanted]) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "they end too early")),
            result => result,
        };
        let count = read.inspect_err(|error| self.failed = Some(error.to_string()))?;
        self.left -= count as u64;
        Ok(count)
    }
}

/// What another try does not mend.
fn failed(url: &str, reason: String) -> FetchError {
    FetchError::Transport { url: shown(url), reason, is_final: true }
}

/// Errors of the address or of our own request do not go away by trying again, and name servers have been asked again.
fn broken(url: &str, error: &ureq::Error) -> FetchError {
    let is_final = match error {
        ureq::Error::Io(source) => source.get_ref().is_some_and(|inner| inner.is::<ResolveError>()),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::InvalidProxyUrl | ureq::Error::Tls(_) => true,
        _ => false,
    };
    // The resolver speaks for itself.
    let reason = match error {
        ureq::Error::Io(source) if is_final => source.to_string(),
        error => explained(error),
    };
    FetchError::Transport { url: shown(url), reason, is_final }
}

/// Errors of TLS do not say what helps.
fn explained(error: &ureq::Error) -> String {
    let text = error.to_string();
    if text.contains("UnknownIssuer") {
        return format!(
            "{text}: its certificate is signed by an authority that this machine does not trust; add that to the machine's \
             certificates, or name a file of authorities in SSL_CERT_FILE"
        );
    }
    text
}
