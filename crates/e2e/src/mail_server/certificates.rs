//! An authority made for one test, and the certificate of its server.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A server's certificate for `localhost` and `127.0.0.1`.
#[derive(Clone)]
pub struct Certificates {
    /// The authority's certificate, in PEM.
    pub authority: PathBuf,
    pub(super) acceptor: TlsAcceptor,
}

impl Certificates {
    /// Makes an authority and a certificate, and puts the authority's into the folder.
    pub fn make(folder: &Path) -> Self {
        let (authority_key, key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
        let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = parameters.self_signed(&authority_key).expect("a certificate");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let issuer = Issuer::new(parameters, authority_key);
        let own = CertificateParams::new(names).expect("parameters").signed_by(&key, &issuer).expect("a certificate");
        let file = folder.join("mail-authority.pem");
        std::fs::write(&file, authority.pem()).expect("a file");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("protocols")
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], key)
            .expect("a configuration");
        Self { authority: file, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").field("authority", &self.authority).finish_non_exhaustive()
    }
}
