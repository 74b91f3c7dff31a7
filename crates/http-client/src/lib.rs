//! The HTTP client of every program here: TLS by ring with Mozilla's roots, as sqlx has it and RabbitMQ is reached.
//!
//! reqwest brings no cryptography of its own in this workspace, so that there is one and no C library to build. A
//! `reqwest::Client` made in another way would panic.

#![warn(missing_docs)]

use reqwest::ClientBuilder;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::error::Error;
use std::path::Path;
use std::sync::{Arc, OnceLock};

pub use rustls::ClientConfig;

/// Made once: clients share the roots and the sessions that can be resumed.
static TLS: OnceLock<Result<ClientConfig, TlsError>> = OnceLock::new();

/// Why TLS cannot be had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TlsError {
    /// The file with the authorities cannot be read; says why.
    Unreadable(String),
    /// It holds no certificate in PEM, or one of which nobody can make sense.
    NoCertificate,
    /// The versions and suites of ring do not fit together, which cannot be.
    Unfit,
    /// There was a client before.
    TooLate,
}

impl std::fmt::Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
            Self::NoCertificate => f.write_str("holds no certificate in PEM"),
            Self::Unfit => f.write_str("TLS cannot be set up"),
            Self::TooLate => f.write_str("comes too late, there are clients already"),
        }
    }
}

impl Error for TlsError {}

/// TLS that believes Mozilla's authorities and those in a file, as PEM.
pub fn tls(authorities: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(file) = authorities {
        let pem = std::fs::read(file).map_err(|error| TlsError::Unreadable(error.to_string()))?;
        let found: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect();
        if found.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        for certificate in found {
            let certificate = certificate.map_err(|_| TlsError::NoCertificate)?;
            roots.add(certificate).map_err(|_| TlsError::NoCertificate)?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(|_| TlsError::Unfit)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Lets every client of this process also believe the authorities in a file. Called before the first one is made.
pub fn believe(authorities: &Path) -> Result<(), TlsError> {
    TLS.set(Ok(tls(Some(authorities))?)).map_err(|_| TlsError::TooLate)
}

/// A client to be built, able to call `http` and `https`.
pub fn client() -> ClientBuilder {
    match TLS.get_or_init(|| tls(None)) {
        Ok(tls) => ClientBuilder::new().tls_backend_preconfigured(tls.clone()),
        // Cannot be with the versions and suites that ring has; `build` then says so.
        Err(_) => ClientBuilder::new().tls_backend_preconfigured(()),
    }
}

/// Why there was no answer, in a few words. What the library says may name internal addresses.
pub fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if distrusts(error) {
        "no connection: its certificate is not trusted"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_decode() {
        "the answer cannot be read"
    } else {
        "the connection broke"
    }
}

/// Whether there is no connection because of the server's certificate.
fn distrusts(error: &reqwest::Error) -> bool {
    std::iter::successors(error.source(), |&cause| cause.source()).any(is_about_certificate)
}

/// Looks into each `io::Error`: what it was made of is not among its sources.
fn is_about_certificate(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref() {
        return matches!(error, rustls::Error::InvalidCertificate(_));
    }
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    inner.is_some_and(|inner| is_about_certificate(inner))
}

#[cfg(test)]
mod tests {
    use super::{TlsError, is_about_certificate, tls};
    use rustls::CertificateError;
    use std::io::Error;
    use std::path::Path;

    #[test]
    fn a_client_can_be_built() {
        super::client().build().unwrap();
    }

    #[test]
    fn a_certificate_is_found_in_errors_of_errors() {
        let certificate = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert!(is_about_certificate(&Error::other(Error::other(certificate()))));
        assert!(!is_about_certificate(&Error::other(rustls::Error::DecryptError)));
        assert!(!is_about_certificate(&Error::other("reset")));
    }

    #[test]
    fn a_file_without_authorities_is_refused() {
        assert!(matches!(tls(Some(Path::new("/nowhere/ca.pem"))), Err(TlsError::Unreadable(_))));
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert_eq!(tls(Some(&file)).unwrap_err(), TlsError::NoCertificate);
    }
}
