//! Just enough HTTP to ask a local server whether it is ready, and to call the management API of RabbitMQ.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

/// How long an answer to a call that changes something may take.
const PATIENCE_FOR_WORK: Duration = Duration::from_secs(60);

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body as it came; servers that answer in chunks leave the chunk sizes in it.
    pub body: String,
}

/// `GET path` from the server on this port of the loopback address; `None` when nobody answers with HTTP.
pub fn get(port: u16, path: &str) -> Option<Answer> {
    exchange(port, PATIENCE, "GET", path, &[], "")
}

/// A call with these header lines and this body, which may take its time.
pub fn call(port: u16, method: &str, path: &str, headers: &[&str], body: &str) -> Option<Answer> {
    exchange(port, PATIENCE_FOR_WORK, method, path, headers, body)
}

fn exchange(port: u16, patience: Duration, method: &str, path: &str, headers: &[&str], body: &str) -> Option<Answer> {
    let mut stream = connect(port)?;
    stream.set_read_timeout(Some(patience)).ok()?;
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\nConnection: close\r\n\
         {headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    parse(&String::from_utf8_lossy(&bytes))
}

/// A connection to this port of the loopback address, with limits on how long reading and writing may take.
pub fn connect(port: u16) -> Option<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
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
