//! The HTTP client of every program here: TLS by ring with Mozilla's roots, as sqlx and lapin have it.
//!
//! reqwest brings no cryptography of its own in this workspace, so that there is one and no C library to build. A
//! `reqwest::Client` made in another way would panic.

#![warn(missing_docs)]

use reqwest::ClientBuilder;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, LazyLock};

/// Made once: clients share the roots and the sessions that can be resumed.
static TLS: LazyLock<Result<ClientConfig, rustls::Error>> = LazyLock::new(|| {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Ok(config.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
});

/// A client to be built, able to call `http` and `https`.
pub fn client() -> ClientBuilder {
    match &*TLS {
        Ok(tls) => ClientBuilder::new().tls_backend_preconfigured(tls.clone()),
        // Cannot be with the versions and suites that ring has; `build` then says so.
        Err(_) => ClientBuilder::new().tls_backend_preconfigured(()),
    }
}

/// Why there was no answer, in a few words. What the library says may name internal addresses.
pub fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_decode() {
        "the answer cannot be read"
    } else {
        "the connection broke"
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_client_can_be_built() {
        super::client().build().unwrap();
    }
}
