//! A wire to PostgreSQL that can stand still, as when the host at its end vanishes: nothing comes, and nothing ends.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The wire.
#[derive(Debug)]
pub struct Wire {
    /// How many connections there were.
    made: watch::Receiver<u64>,
    /// Those up to this one stand still.
    frozen: watch::Sender<u64>,
}

impl Wire {
    /// One to the database of a URL; gives the URL by which it is used.
    pub async fn to_database(url: &str) -> (Self, String) {
        let (_, rest) = url.split_once('@').expect("a URL with a user");
        let (target, _) = rest.split_once('/').expect("a URL with a database");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (wire_url, target) = (url.replacen(target, &address, 1), target.to_owned());
        let ((making, made), (frozen, freezing)) = (watch::channel(0), watch::channel(0));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = *making.borrow() + 1;
                making.send_replace(number);
                tokio::spawn(forward(client, target.clone(), number, freezing.clone()));
            }
        });
        (Self { made, frozen }, wire_url)
    }

    /// From now on nothing comes by the connections that there are; new ones work.
    pub fn freeze(&self) {
        self.frozen.send_replace(*self.made.borrow());
    }
}

async fn forward(mut client: TcpStream, target: String, number: u64, mut freezing: watch::Receiver<u64>) {
    let Ok(mut server) = TcpStream::connect(&target).await else { return };
    let is_frozen = async { freezing.wait_for(|frozen| *frozen >= number).await.is_ok() };
    tokio::select! {
        biased;
        // Both ends are kept open.
        true = is_frozen => std::future::pending::<()>().await,
        _ = copy_bidirectional(&mut client, &mut server) => {}
    }
}
