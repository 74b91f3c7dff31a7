//! A stand-in for an instance of a service: it writes down what reaches it.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What it does with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Does {
    /// Answers it with a body that is worth compressing.
    Answer,
    /// Closes the connection without an answer.
    BreakOff,
    /// Keeps it waiting.
    Nothing,
}

/// One that listens. Ends when it is dropped.
pub struct Instance {
    pub port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Instance {
    pub async fn start(does: Does) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (port, heads) = (listener.local_addr().unwrap().port(), Arc::default());
        let all = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, does, Arc::clone(&all)));
            }
        });
        Self { port, heads, task }
    }

    /// The heads of the requests since the last look.
    pub fn got(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().unwrap())
    }

    /// How many requests have come since the last look.
    pub fn count(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, does: Does, heads: Arc<Mutex<Vec<String>>>) {
    while let Some(head) = read(&mut stream).await {
        let is_kept = !head.contains("connection: close");
        heads.lock().unwrap().push(head);
        match does {
            Does::Answer => {
                let body = format!("{{\"text\":\"{}\"}}", "x".repeat(4000));
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nx-request-id: 7\r\netag: \"3\"\r\nread-after: 2a\r\ncontent-type: application/json\r\n\
                     content-length: {}\r\n\r\n{body}",
                    body.len()
                );
                if stream.write_all(answer.as_bytes()).await.is_err() || !is_kept {
                    return;
                }
            }
            Does::BreakOff => return,
            Does::Nothing => std::future::pending().await,
        }
    }
}

/// The head of the next request, in lower case, once its body has come too.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(head)
}
