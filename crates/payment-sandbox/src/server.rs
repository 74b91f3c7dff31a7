//! The port: takes connections, reads calls, and sends what is answered. Ending it cuts every connection.

use crate::frame::{self, Call, Reply};
use crate::{Shared, pages};
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The longest body, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;

/// Serves until it is dropped, and every connection with it.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| respond(Arc::clone(&shared), request));
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn respond(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let body = to_bytes(Body::new(body), BODY_LIMIT).await.unwrap_or_default();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let call = Call { method: head.method, path, query, headers: head.headers, body };
    if !call.path.starts_with("/v1/") {
        return Ok(pages::answer(&shared, &call));
    }
    // In a task of its own: a client that goes away stops nothing that it asked for.
    match tokio::spawn(frame::answer(shared, call)).await {
        Ok(Reply::Answer { status, body, headers }) => Ok(response(status, body, headers)),
        Ok(Reply::Silence) => pending().await,
        Err(_) => Ok(response(500, String::new(), Vec::new())),
    }
}

fn response(status: u16, body: String, headers: Vec<(&'static str, String)>) -> Response<Body> {
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    response = response.header("request-id", "req_sandbox");
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap_or_default()
}
