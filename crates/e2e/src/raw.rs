//! A bare connection: requests byte by byte, for what no HTTP client would send.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an answer or the end of a connection may take. Only a failing test waits it out.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to a service.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
}

impl Raw {
    /// Connects to the service on this port of this machine.
    pub async fn connect(port: u16) -> Self {
        Self { stream: TcpStream::connect(("127.0.0.1", port)).await.expect("a connection") }
    }

    /// Sends these bytes; an error where the service has closed the connection.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Sends as much as the service takes without a pause of more than a second.
    pub async fn stuff(&mut self, bytes: impl AsRef<[u8]>) {
        while let Ok(Ok(())) = tokio::time::timeout(Duration::from_secs(1), self.stream.write_all(bytes.as_ref())).await
        {
        }
    }

    /// Everything that comes until the service closes the connection.
    pub async fn rest(&mut self) -> String {
        self.rest_within(PATIENCE).await.expect("the service to close the connection")
    }

    /// Everything that comes until the service closes the connection; none where it does not within this time.
    pub async fn rest_within(&mut self, limit: Duration) -> Option<String> {
        let mut bytes = Vec::new();
        // One that is reset has ended too.
        let reading = async { drop(self.stream.read_to_end(&mut bytes).await) };
        tokio::time::timeout(limit, reading).await.ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The next answer, head and body, as its `Content-Length` bounds it.
    pub async fn answer(&mut self) -> String {
        let reading = async {
            let mut bytes = Vec::new();
            loop {
                bytes.push(self.stream.read_u8().await.expect("an answer"));
                let Ok(text) = std::str::from_utf8(&bytes) else { continue };
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if length.is_none_or(|length| length.parse() == Ok(body.len())) {
                    return text.to_owned();
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("an answer in time")
    }
}

/// One request on a connection of its own; gives everything that comes back until the connection is closed.
pub async fn exchange(port: u16, request: impl AsRef<[u8]>) -> String {
    let mut connection = Raw::connect(port).await;
    connection.send(request).await.expect("the request to be sent");
    connection.rest().await
}

/// The status of an answer.
pub fn status(answer: &str) -> u16 {
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no answer of HTTP: {answer:?}"))
}
