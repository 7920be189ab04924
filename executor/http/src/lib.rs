//! Everything that goes over HTTP: downloads, and single exchanges for those who speak a protocol of their own on it.
//!
//! * [`Http::send`] makes one exchange: any method, any body, redirects followed only as far as it is safe.
//! * [`Http::get`] and [`Http::download`] fetch bytes: bounded, retried, resumed after a cut, verified while they stream.
//! * [`Retry`] says whether and when to try again.
//!
//! Rules: every failure names the address, without credentials; what is secret for one host is sent to no other; waiting is
//! bounded by time without a byte, never by the length of a transfer; hosts are looked up without the C library.
//! Must not know: what is downloaded, registries, the store, the terminal.

mod address;
mod client;
mod download;
mod error;
mod exchange;
mod resolve_host;
mod retry;
mod trust;

pub use address::{resolve, same_origin};
pub use client::{Http, Patience};
pub use download::{Expected, download_by, ranged};
pub use error::FetchError;
pub use exchange::{Body, HttpRequest, HttpResponse, Method};
pub use retry::Retry;
pub use trust::Trust;
