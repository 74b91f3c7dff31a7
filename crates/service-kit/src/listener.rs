//! Accepts connections, and at the end closes without cutting anybody off: whoever the operating system has let in by
//! then is served. Behind a proxy that goes to the next instance when one refuses, no request is lost.

use std::collections::VecDeque;
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
    open: Option<TcpListener>,
    last: VecDeque<(TcpStream, SocketAddr)>,
    shutdown: CancellationToken,
}

impl DrainingListener {
    /// Closes when `shutdown` begins.
    pub(crate) fn new(listener: TcpListener, shutdown: CancellationToken) -> Self {
        Self { open: Some(listener), last: VecDeque::new(), shutdown }
    }

    /// The next connection; none once the last was taken and idle connections may be closed too.
    pub(crate) async fn accept(&mut self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        while let Some(listener) = &self.open {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    // The client has gone again.
                    Err(error) if is_of_client(&error) => {}
                    accepted => return accepted.map(Some),
                },
                () = self.shutdown.cancelled() => break,
            }
        }
        if let Some(listener) = self.open.take() {
            match last_connections(listener) {
                Ok(last) => self.last = last,
                Err(error) => tracing::warn!(%error, "the last connections could not be taken"),
            }
        }
        if let Some(connection) = self.last.pop_front() {
            return Ok(Some(connection));
        }
        tokio::time::sleep(GRACE).await;
        Ok(None)
    }
}

fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
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
