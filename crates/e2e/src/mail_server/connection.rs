//! One connection to the mail server.

use super::{Encryption, Fault, Received, Shared, lock};
use mailin::{Action, AuthMechanism, Handler, Response, Session, SessionBuilder, response};
use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Counts a connection for as long as it is open.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, SeqCst);
    }
}

struct Inbox {
    shared: Arc<Shared>,
    encrypted: bool,
    user: Option<String>,
    message: Received,
}

pub(super) async fn serve(stream: TcpStream, peer: IpAddr, shared: Arc<Shared>) {
    shared.connections.fetch_add(1, SeqCst);
    let open = shared.open.fetch_add(1, SeqCst) + 1;
    shared.most_open.fetch_max(open, SeqCst);
    let _open = Open(Arc::clone(&shared));
    // A client that hangs up is no matter.
    let _ = talk(stream, peer, &shared).await;
}

async fn talk(stream: TcpStream, peer: IpAddr, shared: &Arc<Shared>) -> io::Result<()> {
    let mut stream: Box<dyn Stream> = Box::new(stream);
    if shared.encryption == Encryption::Implicit {
        stream = Box::new(encrypt(stream, shared).await?);
    }
    let mut session = session(peer, shared, shared.encryption == Encryption::Implicit);
    let mut stream = BufReader::new(stream);
    match fault(shared) {
        Some(Fault::Greeting(code)) => return say(&mut stream, &custom(code)).await,
        Some(Fault::Silence) => pending().await,
        _ => say(&mut stream, &session.greeting()).await?,
    }
    let (mut line, mut in_text) = (Vec::new(), false);
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let end_of_text = in_text && line == b".\r\n";
        match fault(shared) {
            Some(Fault::Silence) => pending().await,
            Some(Fault::SilenceAfterText(kept) | Fault::HangUpAfterText(kept)) if end_of_text => {
                if kept {
                    session.process(&line);
                }
                if matches!(fault(shared), Some(Fault::SilenceAfterText(_))) {
                    pending::<()>().await;
                }
                return Ok(());
            }
            _ => {}
        }
        let answer = session.process(&line);
        in_text = if in_text { !end_of_text } else { answer.code == 354 };
        say(&mut stream, &answer).await?;
        match answer.action {
            Action::Close => return Ok(()),
            Action::UpgradeTls => {
                stream = BufReader::new(Box::new(encrypt(stream.into_inner(), shared).await?));
                session = self::session(peer, shared, true);
                session.tls_active();
            }
            Action::NoReply | Action::Reply => {}
        }
    }
}

async fn encrypt(stream: Box<dyn Stream>, shared: &Shared) -> io::Result<impl Stream + use<>> {
    let certificates = shared.certificates.clone().ok_or(io::ErrorKind::Unsupported)?;
    certificates.acceptor.accept(stream).await
}

async fn say(stream: &mut BufReader<Box<dyn Stream>>, answer: &Response) -> io::Result<()> {
    stream.write_all(&answer.buffer()?).await?;
    stream.flush().await
}

fn session(peer: IpAddr, shared: &Arc<Shared>, encrypted: bool) -> Session<Inbox> {
    let mut builder = SessionBuilder::new("mail.test");
    if shared.encryption == Encryption::Starttls && !encrypted {
        builder.enable_start_tls();
    }
    if shared.login.is_some() {
        builder.enable_auth(AuthMechanism::Plain);
        if shared.encryption == Encryption::Implicit || encrypted {
            builder.insecure_enable_plaintext_auth();
        }
    }
    let message = Received { from: String::new(), to: Vec::new(), encrypted, user: None, bytes: Vec::new() };
    builder.build(peer, Inbox { shared: Arc::clone(shared), encrypted, user: None, message })
}

impl Handler for Inbox {
    fn mail(&mut self, _ip: IpAddr, _domain: &str, from: &str) -> Response {
        if let Some(Fault::Sender(code)) = fault(&self.shared) {
            return custom(code);
        }
        let (encrypted, user) = (self.encrypted, self.user.clone());
        self.message = Received { from: from.to_owned(), to: Vec::new(), encrypted, user, bytes: Vec::new() };
        response::OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        self.shared.recipients.fetch_add(1, SeqCst);
        let code = match fault(&self.shared) {
            Some(Fault::Recipient(code)) => Some(code),
            _ => {
                let always = lock(&self.shared.refused).get(to).copied();
                always.or_else(|| lock(&self.shared.refused_once).remove(to))
            }
        };
        if let Some(code) = code {
            // As many servers do, with the recipient in it.
            return Response::custom(code, format!("5.1.1 <{to}>: not here"));
        }
        self.message.to.push(to.to_owned());
        response::OK
    }

    fn data(&mut self, line: &[u8]) -> io::Result<()> {
        self.message.bytes.extend_from_slice(line);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        if let Some(Fault::Text(code)) = fault(&self.shared) {
            return custom(code);
        }
        lock(&self.shared.received).push(self.message.clone());
        Response::custom(250, "2.0.0 queued".to_owned())
    }

    fn auth_plain(&mut self, _authorization: &str, user: &str, password: &str) -> Response {
        match (fault(&self.shared), &self.shared.login) {
            (Some(Fault::Login(code)), _) => custom(code),
            (_, Some(login)) if *login == (user.to_owned(), password.to_owned()) => {
                self.user = Some(user.to_owned());
                Response::custom(235, "2.7.0 logged in".to_owned())
            }
            _ => response::INVALID_CREDENTIALS,
        }
    }
}

fn fault(shared: &Shared) -> Option<Fault> {
    *lock(&shared.fault)
}

fn custom(code: u16) -> Response {
    Response::custom(code, "as the test wants it".to_owned())
}
