//! HTTPS at the gateway.

use super::instance::{Does, Instance};
use e2e::environment::{Environment, folder_of_test};
use e2e::gateway::{free_port, start};
use e2e::raw::Raw;
use rcgen::CertifiedKey;
use std::sync::Arc;
use testbed::gateway::{Limits, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

#[tokio::test]
async fn a_certificate_brings_https_and_nothing_older_than_tls_1_2() {
    let instance = Instance::start(Does::Answer).await;
    let folder = folder_of_test(Environment::get());
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let tls = Tls { port: free_port(), certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
    std::fs::write(&tls.certificate, cert.pem()).unwrap();
    std::fs::write(&tls.key, signing_key.serialize_pem()).unwrap();
    let port = tls.port;
    let _gateway = start(&[instance.port], &[], &[], Limits::USUAL, Some(tls));

    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    let year = "\r\nstrict-transport-security: max-age=31536000; includesubdomains\r\n";
    for (host, path, status, for_a_year) in [
        ("shop.example", "/api/orders", 200, true),
        ("shop.example", "/nothing", 404, true),
        ("localhost", "/api/orders", 200, false),
    ] {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        let ask = format!("GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).to_lowercase();
        assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{answer}");
        assert_eq!(answer.contains(year), for_a_year, "{answer}");
    }
    assert!(instance.got()[0].contains("x-forwarded-proto: https\r\n"));

    // A ClientHello of TLS 1.1 with two suites that it has: the answer is the alert protocol_version.
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x13, 0, 0x2f, 1, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    let mut connection = Raw::connect(port).await;
    connection.send([&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat()).await.unwrap();
    let refusal = connection.rest().await.into_bytes();
    assert_eq!((refusal.first(), refusal.last()), (Some(&21), Some(&70)), "{refusal:?}");
}
