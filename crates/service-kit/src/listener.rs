//! Accepts connections, and at the end closes without cutting anybody off: whoever the operating system has let in by
//! then is served. Behind a proxy that goes to the next instance when one refuses, no request is lost.

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// What a client that has just connected gets to send its request.
const GRACE: Duration = Duration::from_millis(100);

/// A listener that empties its queue before it closes.
#[derive(Debug)]
pub(crate) struct DrainingListener {
    address: SocketAddr,
    open: Option<TcpListener>,
    last: VecDeque<(TcpStream, SocketAddr)>,
    shutdown: CancellationToken,
    drained: CancellationToken,
}

impl DrainingListener {
    /// Closes when `shutdown` begins; `drained` is cancelled when idle connections may be closed too.
    pub(crate) fn new(
        listener: TcpListener,
        shutdown: CancellationToken,
        drained: CancellationToken,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self { address, open: Some(listener), last: VecDeque::new(), shutdown, drained })
    }
}

impl Listener for DrainingListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        if let Some(listener) = &mut self.open {
            tokio::select! {
                accepted = Listener::accept(listener) => return accepted,
                () = self.shutdown.cancelled() => {}
            }
        }
        if let Some(listener) = self.open.take() {
            match last_connections(listener) {
                Ok(last) => self.last = last,
                Err(error) => tracing::warn!(%error, "the last connections could not be taken"),
            }
        }
        if let Some(connection) = self.last.pop_front() {
            return connection;
        }
        tokio::time::sleep(GRACE).await;
        self.drained.cancel();
        pending().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Takes every connection that waits, asking the operating system itself, and closes at once when there is none left:
/// what comes from then on is refused.
fn last_connections(listener: TcpListener) -> io::Result<VecDeque<(TcpStream, SocketAddr)>> {
    let listener = listener.into_std()?;
    let mut waiting = Vec::new();
    while let Ok(connection) = listener.accept() {
        waiting.push(connection);
    }
    drop(listener);
    let connection = |(stream, address): (std::net::TcpStream, SocketAddr)| {
        stream.set_nonblocking(true)?;
        Ok((TcpStream::from_std(stream)?, address))
    };
    waiting.into_iter().map(connection).collect()
}

/// The address a request came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ClientAddress(pub(crate) SocketAddr);

impl Connected<IncomingStream<'_, DrainingListener>> for ClientAddress {
    fn connect_info(stream: IncomingStream<'_, DrainingListener>) -> Self {
        Self(*stream.remote_addr())
    }
}
