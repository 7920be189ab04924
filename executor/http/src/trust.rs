//! Whom a client trusts, and how it shows itself.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

/// The certificates for talking to one host; the default is what the machine trusts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Further authorities, as PEM.
    pub authorities: Vec<Vec<u8>>,
    /// A certificate with its chain, and its key, both as PEM, that the host is shown.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Whether any certificate will do: somebody has said so for this host.
    pub anybody: bool,
}

/// The certificates this machine trusts, so that a mirror inside a company is reached like everything else there.
const BUNDLES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// As curl and OpenSSL know it.
const BUNDLE_VARIABLE: &str = "SSL_CERT_FILE";

impl Trust {
    /// Looks whether the identity can be shown: whoever shows a key that is not that of its certificate is not let in.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<(), &'static str> {
        let Some((chain, key)) = &self.identity else { return Ok(()) };
        let chain: Vec<CertificateDer<'_>> =
            CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(|_| "its certificate is no PEM")?;
        if chain.is_empty() {
            return Err("it holds no certificate");
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| "its key is no PEM of a private key")?;
        let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|_| "its key is of no known kind")?;
        let pair = rustls::sign::CertifiedKey::new(chain, key);
        pair.keys_match().map_err(|_| "its key is not that of its certificate")
    }

    pub(crate) fn config(&self) -> TlsConfig {
        let identity = self.identity.as_ref().and_then(|(chain, key)| {
            let key = PrivateKey::from_pem(key).ok()?;
            Some(ClientCert::new_with_certs(&certificates(chain), key))
        });
        TlsConfig::builder().root_certs(self.roots()).client_cert(identity).disable_verification(self.anybody).build()
    }

    fn roots(&self) -> RootCerts {
        let machine = machine_bundle().map(|pem| certificates(&pem)).unwrap_or_default();
        if machine.is_empty() && self.authorities.is_empty() {
            // A machine without certificates, a bare container for instance: those that are built in.
            return RootCerts::WebPki;
        }
        let all: Vec<Certificate<'static>> =
            machine.into_iter().chain(self.authorities.iter().flat_map(|pem| certificates(pem))).collect();
        all.into()
    }
}

fn machine_bundle() -> Option<Vec<u8>> {
    let said = std::env::var_os(BUNDLE_VARIABLE).filter(|path| !path.is_empty());
    said.and_then(|path| std::fs::read(path).ok()).or_else(|| BUNDLES.iter().find_map(|path| std::fs::read(path).ok()))
}

fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    let certificate = |item| if let Ok(PemItem::Certificate(certificate)) = item { Some(certificate) } else { None };
    parse_pem(pem).filter_map(certificate).collect()
}
