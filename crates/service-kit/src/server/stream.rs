//! The bytes of a connection and the bodies on it, which note in its [`Connection`] what they wait for.

use crate::server::connection::Connection;
use crate::server::own_answers::{self, OwnAnswer};
use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The bytes.
#[derive(Debug)]
pub(crate) struct Watched {
    stream: TcpStream,
    connection: Arc<Connection>,
    own: Option<OwnAnswer>,
}

impl Watched {
    /// The stream of this connection.
    pub(crate) fn new(stream: TcpStream, connection: Arc<Connection>) -> Self {
        Self { stream, connection, own: None }
    }

    fn written(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Pending => self.connection.waits_to_write(),
            Poll::Ready(Ok(1..)) => self.connection.wrote(),
            Poll::Ready(_) => {}
        }
        outcome
    }

    /// Writes ours in the place of an empty answer that hyper gave by itself; none where `bytes` are no such answer.
    fn poll_own(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Option<Poll<io::Result<usize>>> {
        if self.own.is_none() {
            self.own = own_answers::instead_of(bytes);
        }
        let own = self.own.as_mut()?;
        while !own.rest().is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, own.rest()) {
                Poll::Ready(Ok(0)) => return Some(Poll::Ready(Err(io::ErrorKind::WriteZero.into()))),
                Poll::Ready(Ok(count)) => own.advance(count),
                Poll::Ready(Err(error)) => return Some(Poll::Ready(Err(error))),
                Poll::Pending => {
                    self.connection.waits_to_write();
                    return Some(Poll::Pending);
                }
            }
        }
        self.own = None;
        Some(Poll::Ready(Ok(bytes.len())))
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        if into.filled().len() > before {
            self.connection.bytes_came();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(outcome) = self.poll_own(cx, bytes) {
            return outcome;
        }
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = slices
            && let Some(outcome) = self.poll_own(cx, only)
        {
            return outcome;
        }
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A body that its client did not send to the end in time.
#[derive(Debug)]
pub(crate) struct GivenUp;

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body did not come in time")
    }
}

impl std::error::Error for GivenUp {}

/// The body of a request.
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: Incoming,
    connection: Arc<Connection>,
}

/// The body of a request as the routes take it.
pub(crate) fn request_body(incoming: Incoming, connection: &Arc<Connection>) -> Body {
    if incoming.is_end_stream() {
        return Body::empty();
    }
    Body::new(RequestBody { incoming, connection: connection.clone() })
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if self.connection.cut().is_some() {
            return Poll::Ready(Some(Err(GivenUp.into())));
        }
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        match polled {
            Poll::Pending => self.connection.waits_for_body(),
            Poll::Ready(_) => self.connection.body_came(),
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // Nobody waits for it any more.
        self.connection.body_came();
    }
}

/// The body of an answer. Once it is dropped, all of it has been handed over.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    body: Body,
    connection: Arc<Connection>,
}

impl ResponseBody {
    /// The body of an answer on this connection.
    pub(crate) fn new(body: Body, connection: Arc<Connection>) -> Self {
        Self { body, connection }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.connection.answered();
    }
}
