//! Every connection of the process: how many there may be, who gives way when there are too many, and their end.

use crate::listener::DrainingListener;
use crate::proxies::{TrustedProxies, one_client};
use crate::server::config::Patience;
use crate::server::connection::{Connection, Due};
use crate::server::own_answers;
use crate::server::stream::{ResponseBody, Watched, request_body};
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use tower::Service;

/// Longest head of a request, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;

/// Connections beyond the bound that are taken all the same: while every other one is being served, health checks still get
/// an answer.
const RESERVE: usize = 32;

/// Of this many connections, one gives way at a time when there are too many: looking for it costs as much as there are.
const SHARE: usize = 64;

/// Pause after the operating system had no connection to give.
const PAUSE: Duration = Duration::from_millis(50);

/// How long the log says nothing more of that.
const SILENCE: Duration = Duration::from_secs(60);

/// What a listener serves, and within which bounds; clones share the bounds.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    registry: Arc<Mutex<Registry>>,
    tasks: TaskTracker,
    freed: Arc<Notify>,
    most: usize,
    patience: Patience,
    proxies: TrustedProxies,
    /// Whether the service listens on all addresses, so that only a connection knows which one was called.
    everywhere: bool,
}

#[derive(Debug, Default)]
struct Registry {
    all: HashMap<u64, Arc<Connection>>,
    by_client: HashMap<IpAddr, usize>,
    /// How many of them have been told to give way.
    going: usize,
    next: u64,
}

/// Why there is no place for a connection.
#[derive(PartialEq, Eq, Debug)]
enum Refused {
    /// Its client has as many as one may have.
    Share,
    /// All are taken, and none will be given back soon.
    Full,
    /// All are taken; some are about to be given back.
    Busy,
}

/// A place among the connections, given back when dropped.
struct Place {
    connections: Connections,
    number: u64,
    client: Option<IpAddr>,
}

impl Connections {
    /// At the most `most` at once, half of them from one client. Clients on this host and proxies are not counted one by
    /// one.
    pub(crate) fn new(most: usize, patience: Patience, proxies: TrustedProxies, everywhere: bool) -> Self {
        let (registry, freed) = Default::default();
        Self { registry, tasks: TaskTracker::new(), freed, most, patience, proxies, everywhere }
    }

    /// Serves until the listener is drained, then until every connection has come to its end.
    pub(crate) async fn serve(self, mut listener: DrainingListener, application: Router) {
        let mut said: Option<Instant> = None;
        loop {
            match listener.accept().await {
                Ok(Some((stream, peer))) => {
                    self.take(stream, peer, &application).await;
                }
                Ok(None) => break,
                Err(error) => {
                    if said.is_none_or(|said| said.elapsed() > SILENCE) {
                        tracing::error!(%error, "connections cannot be accepted");
                        said = Some(Instant::now());
                    }
                    self.registry().evict_some();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        for connection in self.registry().all.values() {
            connection.end();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(&self, stream: TcpStream, peer: SocketAddr, application: &Router) {
        let local = if self.everywhere { stream.local_addr().ok().map(|address| address.ip()) } else { None };
        let connection = Arc::new(Connection::new(peer, local));
        let Some(place) = self.find_place(&connection).await else {
            metrics::counter!("http_connections_refused_total").increment(1);
            // As much as goes out at once: a client that is refused is not waited for.
            let _ = stream.try_write(&refusal());
            return;
        };
        let (application, patience) = (application.clone(), self.patience);
        self.tasks.spawn(async move {
            let _place = place;
            drive(stream, connection, application, patience).await;
        });
    }

    /// Waits for a moment where places are about to be given back.
    async fn find_place(&self, connection: &Arc<Connection>) -> Option<Place> {
        loop {
            match self.admit(connection) {
                Ok(place) => return Some(place),
                Err(Refused::Busy) => tokio::time::timeout(PAUSE, self.freed.notified()).await.ok()?,
                Err(Refused::Full | Refused::Share) => return None,
            }
        }
    }

    /// Finds a place for a connection; another one that waits for its client may have to go for it.
    fn admit(&self, connection: &Arc<Connection>) -> Result<Place, Refused> {
        let address = connection.peer.ip().to_canonical();
        let counted = !address.is_loopback() && !self.proxies.contains(address);
        let client = counted.then(|| one_client(address));
        let mut registry = self.registry();
        let share = client.map_or(0, |client| registry.by_client.get(&client).copied().unwrap_or_default());
        if share >= self.most.div_ceil(2) {
            return Err(Refused::Share);
        }
        let too_many = (registry.all.len() + 1).saturating_sub(self.most + registry.going);
        if too_many > 0 {
            registry.evict(too_many.max(self.most / SHARE));
        }
        if registry.all.len() >= self.most + RESERVE {
            return Err(if registry.going > 0 { Refused::Busy } else { Refused::Full });
        }
        let number = registry.next;
        registry.next += 1;
        registry.all.insert(number, connection.clone());
        if let Some(client) = client {
            *registry.by_client.entry(client).or_default() += 1;
        }
        Ok(Place { connections: self.clone(), number, client })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut registry = self.connections.registry();
        if registry.all.remove(&self.number).is_some_and(|connection| connection.is_evicted()) {
            registry.going -= 1;
        }
        if let Some(client) = self.client
            && let Some(share) = registry.by_client.get_mut(&client)
        {
            *share -= 1;
            if *share == 0 {
                registry.by_client.remove(&client);
            }
        }
        drop(registry);
        self.connections.freed.notify_one();
    }
}

impl Registry {
    /// Makes room where the operating system has none left.
    fn evict_some(&mut self) {
        self.evict(self.all.len().div_ceil(SHARE / 4));
    }

    /// Lets this many connections go, of those that wait for their clients: those that have waited longest.
    fn evict(&mut self, count: usize) {
        let staying = self.all.values().filter(|connection| !connection.is_evicted());
        let waiting = staying.filter_map(|connection| Some((connection.waiting_since()?, connection)));
        let mut waiting: Vec<(Instant, &Arc<Connection>)> = waiting.collect();
        if count < waiting.len() {
            waiting.select_nth_unstable_by_key(count, |(since, _)| *since);
            waiting.truncate(count);
        }
        for (_, connection) in &waiting {
            connection.evict();
        }
        self.going += waiting.len();
    }
}

fn refusal() -> Vec<u8> {
    own_answers::problem(StatusCode::SERVICE_UNAVAILABLE, "too many connections; try again")
}

/// Serves one connection until its client closes it, keeps it waiting for too long, or has to give way.
async fn drive(stream: TcpStream, connection: Arc<Connection>, application: Router, patience: Patience) {
    let service = {
        let connection = connection.clone();
        service_fn(move |request: hyper::Request<Incoming>| {
            connection.serves();
            let mut request: Request = request.map(|body| request_body(body, &connection));
            request.extensions_mut().insert(connection.clone());
            let (answering, connection) = (application.clone().call(request), connection.clone());
            async move {
                let response = answering.await?;
                Ok::<_, Infallible>(response.map(|body| ResponseBody::new(body, connection)))
            }
        })
    };
    let stream = TokioIo::new(Watched::new(stream, connection.clone()));
    let serving = http1::Builder::new().max_header_size(HEAD_LIMIT).serve_connection(stream, service);
    let mut serving = pin!(serving);
    let mut timer = pin!(tokio::time::sleep(patience.shortest()));
    let mut ending = false;
    let cut = |reason: &'static str| metrics::counter!("http_connections_cut_total", "reason" => reason).increment(1);
    poll_fn(|cx| {
        loop {
            // Whatever the error is, the client has got what could be answered.
            if serving.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            connection.waker.register(cx.waker());
            if connection.gives_way() {
                cut("full");
                return Poll::Ready(());
            }
            if connection.is_ending() && !ending {
                ending = true;
                serving.as_mut().graceful_shutdown();
                timer.as_mut().reset(tokio::time::Instant::now());
                continue;
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            match connection.due(&patience, Instant::now()) {
                Due::At(again) => timer.as_mut().reset(again.into()),
                Due::Close => {
                    cut("slow");
                    return Poll::Ready(());
                }
                Due::CutBody(why) => {
                    cut("slow");
                    connection.cut_body(why);
                    timer.as_mut().reset((Instant::now() + patience.shortest()).into());
                }
            }
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::{Connections, RESERVE, Refused};
    use crate::server::config::Patience;
    use crate::server::connection::Connection;
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    fn connections(most: usize) -> Connections {
        let minute = Duration::from_secs(60);
        let patience = Patience { head: minute, body: minute, write: minute, idle: minute };
        Connections::new(most, patience, "10.0.0.0/8".parse().unwrap(), false)
    }

    fn from(address: &str) -> Arc<Connection> {
        Arc::new(Connection::new(SocketAddr::new(address.parse().unwrap(), 4711), None))
    }

    #[test]
    fn one_client_gets_half() {
        let connections = connections(8);
        let mut places: Vec<_> =
            (0..4).map(|_| connections.admit(&from("198.51.100.1")).expect("one of its half")).collect();
        assert_eq!(connections.admit(&from("198.51.100.1")).err(), Some(Refused::Share));
        assert!(connections.admit(&from("198.51.100.2")).is_ok());
        places.pop();
        assert!(connections.admit(&from("198.51.100.1")).is_ok(), "a place was given back");
    }

    #[test]
    fn this_host_and_proxies_are_not_counted() {
        let connections = connections(8);
        let clients = ["127.0.0.1", "127.0.0.2", "::1", "10.0.0.1", "::ffff:10.0.0.1"];
        let places: Vec<_> = (0..8).map(|n| connections.admit(&from(clients[n % 5])).unwrap()).collect();
        assert_eq!(places.len(), 8);
        assert!(connections.registry().by_client.is_empty());
    }

    #[test]
    fn the_longest_wait_gives_way() {
        let connections = connections(3);
        let all: Vec<_> = (0..4).map(|_| from("127.0.0.1")).collect();
        all[0].serves();
        all[2].answered();
        let places: Vec<_> = all.iter().map(|connection| connections.admit(connection).unwrap()).collect();
        assert!(all[1].gives_way(), "it has waited longest");
        assert!(!all[0].gives_way(), "it is being served");
        assert!(!all[2].gives_way() && !all[3].gives_way());
        assert_eq!(places.len(), 4);
    }

    #[test]
    fn while_all_are_served_a_few_more_are_taken() {
        let connections = connections(2);
        let admit = || {
            let connection = from("127.0.0.1");
            connection.serves();
            connections.admit(&connection)
        };
        let places: Vec<_> = (0..2 + RESERVE).map(|_| admit().expect("a place")).collect();
        assert_eq!(admit().err(), Some(Refused::Full));
        drop(places);
        assert!(admit().is_ok());
    }

    #[test]
    fn a_flood_pushes_each_connection_out_once() {
        let connections = connections(2);
        let all: Vec<_> = (0..4).map(|_| from("127.0.0.1")).collect();
        let mut places: Vec<_> = all.iter().map(|connection| connections.admit(connection).unwrap()).collect();
        assert_eq!(all.iter().map(|it| it.gives_way()).collect::<Vec<_>>(), [true, true, false, false]);
        assert_eq!(connections.registry().going, 2);
        places.remove(0);
        assert_eq!(connections.registry().going, 1);
    }
}
