//! TLS to a node of the broker. Without a feature for it, lapin takes `amqps://` and encrypts nothing. With one, it brings 23
//! crates for PKCS #12. So the stream is ours: rustls over ring, as everywhere.

use async_rs::Runtime;
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::Stream;
use http_client::ClientConfig;
use lapin::uri::AMQPUri;
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// tokio, whose connections are encrypted.
#[derive(Clone, Debug)]
struct Encrypted(async_rs::Tokio);

impl Reactor for Encrypted {
    type TcpStream = Compat<TlsStream<TcpStream>>;
    type Sleep = <async_rs::Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    /// There is no TLS to an address without a name; [`open`] makes the connections.
    fn tcp_connect_addr(&self, _: SocketAddr) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        std::future::ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

/// A connection to a node that shows a certificate for its name.
pub(super) async fn open(
    node: AMQPUri,
    tls: Arc<ClientConfig>,
    properties: ConnectionProperties,
) -> lapin::Result<Connection> {
    let tokio = async_rs::Tokio::current();
    let runtime = Runtime::new(RuntimeParts::new(tokio.clone(), Encrypted(tokio)));
    let connecting = Connection::connector(
        node,
        runtime,
        async move |node, _| {
            let name = ServerName::try_from(node.authority.host.clone()).map_err(io::Error::other)?;
            let stream = TcpStream::connect((node.authority.host.as_str(), node.authority.port)).await?;
            stream.set_nodelay(true)?;
            let stream = TlsConnector::from(tls.clone()).connect(name, stream).await?;
            Ok(AsyncTcpStream::Plain(stream.compat()))
        },
        properties,
    );
    connecting.await
}
