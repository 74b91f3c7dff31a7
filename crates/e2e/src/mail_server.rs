//! A mail server on loopback that keeps what it gets, and can be made to fail in every way that real ones do.
//!
//! `mailin` speaks SMTP; here are the sockets, the encryption and the faults.

mod certificates;
mod connection;
mod received;

pub use certificates::Certificates;
pub use received::Received;

use crate::poll;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};

/// How the server is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encryption {
    None,
    /// Offers STARTTLS, and takes no log-in before.
    Starttls,
    /// TLS from the first byte.
    Implicit,
}

/// What the server does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Greets with this code instead of 220, and hangs up.
    Greeting(u16),
    /// Answers every log-in with this code.
    Login(u16),
    /// Answers every sender with this code.
    Sender(u16),
    /// Answers every recipient with this code.
    Recipient(u16),
    /// Answers every text with this code.
    Text(u16),
    /// Takes connections and never says a word.
    Silence,
    /// Takes the text and never says so; whether it keeps the message is the choice.
    SilenceAfterText(bool),
    /// Takes the text and hangs up; whether it keeps the message is the choice.
    HangUpAfterText(bool),
}

/// A running mail server. Ends when dropped.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Option<JoinHandle<()>>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    encryption: Encryption,
    certificates: Option<Certificates>,
    login: Option<(String, String)>,
    fault: Mutex<Option<Fault>>,
    refused: Mutex<HashMap<String, u16>>,
    refused_once: Mutex<HashMap<String, u16>>,
    received: Mutex<Vec<Received>>,
    recipients: AtomicUsize,
    connections: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

impl MailServer {
    /// A server that takes everything in the clear.
    pub async fn start() -> Self {
        Self::start_with(Encryption::None, None, None).await
    }

    /// A server with encryption, whose authority's certificate is at `Certificates::authority`, and with a user.
    pub async fn start_encrypted(encryption: Encryption, folder: &Path, login: Option<(&str, &str)>) -> Self {
        Self::start_with(encryption, Some(Certificates::make(folder)), login).await
    }

    async fn start_with(
        encryption: Encryption,
        certificates: Option<Certificates>,
        login: Option<(&str, &str)>,
    ) -> Self {
        let shared = Arc::new(Shared {
            encryption,
            certificates,
            login: login.map(|(user, password)| (user.to_owned(), password.to_owned())),
            fault: Mutex::default(),
            refused: Mutex::default(),
            refused_once: Mutex::default(),
            received: Mutex::default(),
            recipients: AtomicUsize::default(),
            connections: AtomicUsize::default(),
            open: AtomicUsize::default(),
            most_open: AtomicUsize::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let running = Some(tokio::spawn(accept(listener, Arc::clone(&shared))));
        Self { address, shared, running }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The certificate of the authority behind its own, in PEM.
    pub fn authority(&self) -> &Path {
        &self.shared.certificates.as_ref().expect("an encrypted server").authority
    }

    /// Goes away: nobody listens, and open connections break.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }

    /// Comes back on the same port, with all that it has received.
    pub async fn come_back(&mut self) {
        let socket = poll::eventually("the port of the mail server", async || {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.set_reuseaddr(true).expect("an option");
            socket.bind(self.address).map(|()| socket).map_err(|error| error.to_string())
        })
        .await;
        let listener = socket.listen(1024).expect("a listener");
        self.running = Some(tokio::spawn(accept(listener, Arc::clone(&self.shared))));
    }

    /// Does this wrong from now on; `None` is well again.
    pub fn set_fault(&self, fault: Option<Fault>) {
        *lock(&self.shared.fault) = fault;
    }

    /// Answers this recipient with this code.
    pub fn refuse(&self, recipient: &str, code: u16) {
        lock(&self.shared.refused).insert(recipient.to_owned(), code);
    }

    /// Answers this recipient with this code at its next message, as greylisting does.
    pub fn refuse_once(&self, recipient: &str, code: u16) {
        lock(&self.shared.refused_once).insert(recipient.to_owned(), code);
    }

    /// The messages so far.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared.received).clone()
    }

    /// How many messages so far.
    pub fn count(&self) -> usize {
        lock(&self.shared.received).len()
    }

    /// Recipients that were named to it so far, whatever it answered.
    pub fn recipients(&self) -> usize {
        self.shared.recipients.load(SeqCst)
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    /// Most connections that were open at the same time.
    pub fn most_open(&self) -> usize {
        self.shared.most_open.load(SeqCst)
    }

    /// Waits for this many messages; gives them.
    pub async fn receives(&self, count: usize) -> Vec<Received> {
        poll::eventually(&format!("{count} messages"), async || match self.count() {
            enough if enough >= count => Ok(self.received()),
            few => Err(format!("{few} messages")),
        })
        .await
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Connections belong to this task and end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, peer)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let _ = stream.set_nodelay(true);
        connections.spawn(connection::serve(stream, peer.ip(), Arc::clone(&shared)));
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
