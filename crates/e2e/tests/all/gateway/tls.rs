//! HTTPS at the gateway, with HTTP/1.1 and with HTTP/2.

use super::instance::{Does, Instance};
use e2e::environment::{Environment, folder_of_test};
use e2e::gateway::{free_port, start};
use e2e::raw::Raw;
use rcgen::CertifiedKey;
use std::sync::Arc;
use testbed::gateway::{Gateway, Limits, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A gateway with a certificate, and a client that knows it.
struct Shown {
    port: u16,
    client: ClientConfig,
    _gateway: Gateway,
}

impl Shown {
    fn in_front_of(instance: &Instance) -> Self {
        let folder = folder_of_test(Environment::get());
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let tls = Tls { port: free_port(), certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
        std::fs::write(&tls.certificate, cert.pem()).unwrap();
        std::fs::write(&tls.key, signing_key.serialize_pem()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let client = client.with_safe_default_protocol_versions().unwrap();
        let client = client.with_root_certificates(roots).with_no_client_auth();
        Self { port: tls.port, client, _gateway: start(&[instance.port], &[], &[], Limits::USUAL, Some(tls)) }
    }

    /// A connection of a client that speaks these protocols, the one it likes most first.
    async fn connect(&self, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut client = self.client.clone();
        client.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        TlsConnector::from(Arc::new(client)).connect("localhost".try_into().unwrap(), stream).await.unwrap()
    }
}

#[tokio::test]
async fn a_certificate_brings_https_and_nothing_older_than_tls_1_2() {
    let instance = Instance::start(Does::Answer).await;
    let shown = Shown::in_front_of(&instance);
    let port = shown.port;
    let year = "\r\nstrict-transport-security: max-age=31536000; includesubdomains\r\n";
    for (host, path, status, for_a_year) in [
        ("shop.example", "/api/orders", 200, true),
        ("shop.example", "/nothing", 404, true),
        ("localhost", "/api/orders", 200, false),
    ] {
        let mut stream = shown.connect(&[]).await;
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

/// A frame of HTTP/2 (RFC 9113, 4.1): its length, type, flags and stream, then what is in it.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream][..], payload].concat()
}

#[tokio::test]
async fn clients_that_speak_http_2_are_answered_in_it() {
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    let instance = Instance::start(Does::Answer).await;
    let shown = Shown::in_front_of(&instance);
    let mut stream = shown.connect(&[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    // GET and https are entries of HPACK's static table (RFC 7541, appendix A); :path and :authority are its names 4 and 1.
    let text = |name: u8, value: &str| [&[name, u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
    let head = [&[0x82, 0x87][..], &text(4, "/api/orders"), &text(1, "shop.example")].concat();
    // The whole request at once, its flags END_STREAM and END_HEADERS.
    let request = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[]), &frame(HEADERS, 5, 1, &head)];
    stream.write_all(&request.concat()).await.unwrap();
    loop {
        let mut start = [0; 9];
        stream.read_exact(&mut start).await.unwrap();
        let mut payload = vec![0; usize::from(start[1]) * 256 + usize::from(start[2])];
        stream.read_exact(&mut payload).await.unwrap();
        if start[3] == HEADERS {
            // The entry 8 of the table is the status 200.
            assert_eq!((start[8], payload[0]), (1, 0x88), "{payload:?}");
            break;
        }
    }
    let got = instance.got().remove(0);
    assert!(got.contains("host: shop.example\r\n") && got.contains("x-forwarded-proto: https\r\n"), "{got}");

    let stream = shown.connect(&[b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}
