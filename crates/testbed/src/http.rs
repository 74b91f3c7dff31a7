//! Just enough HTTP to ask a local server whether it is ready, and to call the management API of RabbitMQ.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

/// How long an answer to a call that changes something may take.
const PATIENCE_FOR_WORK: Duration = Duration::from_secs(60);

/// Where a server listens; a port alone is one of the loopback address.
#[derive(Debug, Clone, Copy)]
pub struct Server(SocketAddr);

impl From<u16> for Server {
    fn from(port: u16) -> Self {
        (Ipv4Addr::LOCALHOST, port).into()
    }
}

impl From<(Ipv4Addr, u16)> for Server {
    fn from(address: (Ipv4Addr, u16)) -> Self {
        Self(address.into())
    }
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body as it came; servers that answer in chunks leave the chunk sizes in it.
    pub body: String,
}

/// `GET path` from the server; `None` when nobody answers with HTTP.
pub fn get(server: impl Into<Server>, path: &str) -> Option<Answer> {
    exchange(server.into(), PATIENCE, "GET", path, &[], "")
}

/// A call with these header lines and this body, which may take its time.
pub fn call(server: impl Into<Server>, method: &str, path: &str, headers: &[&str], body: &str) -> Option<Answer> {
    exchange(server.into(), PATIENCE_FOR_WORK, method, path, headers, body)
}

fn exchange(
    server: Server,
    patience: Duration,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> Option<Answer> {
    let mut stream = connect(server)?;
    stream.set_read_timeout(Some(patience)).ok()?;
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\nConnection: close\r\n\
         {headers}Content-Length: {}\r\n\r\n{body}",
        server.0,
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    parse(&String::from_utf8_lossy(&bytes))
}

/// A connection to a server, with limits on how long reading and writing may take.
pub fn connect(server: impl Into<Server>) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&server.into().0, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    Some(Answer { status: status.parse().ok()?, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_status_and_body() {
        let text = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\r\n{\"status\":\"DOWN\"}";
        let answer = parse(text).unwrap();
        assert_eq!(answer.status, 503);
        assert_eq!(answer.body, "{\"status\":\"DOWN\"}");
    }

    #[test]
    fn refuses_what_is_not_http() {
        assert_eq!(parse("AMQP\0\0\u{9}\u{1}"), None);
        assert_eq!(parse("SSH-2.0\r\n\r\n"), None);
    }
}
