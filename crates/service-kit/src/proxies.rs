//! Which client a request comes from, where proxies stand in between.

use crate::server::Connection;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

/// The proxies whose word about a client is believed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let networks = parts.map(|part| part.parse().or_else(|_| part.parse().map(|ip: IpAddr| IpNet::from(ip))));
        let networks: Result<Vec<IpNet>, _> = networks.collect();
        let networks =
            networks.map_err(|_| "must be addresses or networks, such as 10.0.0.1,192.168.0.0/16".to_owned())?;
        Ok(Self(networks.into()))
    }
}

impl TrustedProxies {
    /// Whether this is the address of one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client behind the connection of `peer`: read from the right end of `X-Forwarded-For`, the first address that is
    /// no trusted proxy. What stands further left may be made up, and so may all that is left of what is no address.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.0.is_empty() || !self.contains(client) {
            return client;
        }
        // As bytes: a client may have sent any, and the proxy adds its word to the line in which they stand.
        let lines = headers.get_all("x-forwarded-for").iter().rev().map(HeaderValue::as_bytes);
        for hop in lines.flat_map(|line| line.rsplit(|byte| *byte == b',')) {
            let Some(address) = std::str::from_utf8(hop).ok().and_then(|hop| address(hop.trim())) else { break };
            client = address;
            if !self.contains(client) {
                break;
            }
        }
        client
    }

    /// The client behind a connection; nobody in particular where there is none.
    pub(crate) fn client_behind(&self, connection: Option<&Connection>, headers: &HeaderMap) -> IpAddr {
        self.client(peer(connection), headers)
    }
}

fn peer(connection: Option<&Connection>) -> IpAddr {
    connection.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |connection| connection.peer.ip())
}

/// Who holds the other end of the connection: the client, or a proxy in front of it ([`TrustedProxies::client`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(peer(parts.extensions.get::<Arc<Connection>>().map(Arc::as_ref))))
    }
}

/// An address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()));
    parsed.map(|address| address.to_canonical())
}

/// What counts as one client: an IPv4 address, or the /64 that one IPv6 customer gets as a rule.
pub fn one_client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::{TrustedProxies, one_client};
    use axum::http::{HeaderMap, HeaderValue};
    use std::net::IpAddr;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn client<Line: AsRef<[u8]>>(peer: &str, lines: &[Line]) -> IpAddr {
        let proxies: TrustedProxies = "10.0.0.0/8, 192.168.1.1,fd00::/8".parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(line.as_ref()).unwrap());
        }
        proxies.client(ip(peer), &headers)
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), ip("203.0.113.9"));
        assert_eq!(client("10.0.0.2", &["198.51.100.1"]), ip("198.51.100.1"));
        assert_eq!(client("::ffff:10.0.0.2", &["198.51.100.1"]), ip("198.51.100.1"));
        assert_eq!(client::<&str>("10.0.0.2", &[]), ip("10.0.0.2"));
        assert_eq!(TrustedProxies::default().client(ip("10.0.0.2"), &HeaderMap::new()), ip("10.0.0.2"));
    }

    #[test]
    fn what_the_client_itself_wrote_is_not_believed() {
        assert_eq!(client("10.0.0.2", &["1.1.1.1, 198.51.100.1, 192.168.1.1"]), ip("198.51.100.1"));
        assert_eq!(client("10.0.0.2", &["1.1.1.1", "198.51.100.1", "10.0.0.3"]), ip("198.51.100.1"));
        assert_eq!(client("10.0.0.2", &["198.51.100.1, nonsense"]), ip("10.0.0.2"));
        assert_eq!(client("10.0.0.2", &["10.0.0.9, 10.0.0.8"]), ip("10.0.0.9"));
    }

    #[test]
    fn a_client_hides_nothing_behind_what_cannot_be_read() {
        assert_eq!(client("10.0.0.2", &[b"\xff, 198.51.100.1"]), ip("198.51.100.1"));
        assert_eq!(client("10.0.0.2", &[&b"1.1.1.1"[..], b"\xff, 198.51.100.1"]), ip("198.51.100.1"));
        assert_eq!(client("10.0.0.2", &[&b"1.1.1.1"[..], b"\xff, 10.0.0.3"]), ip("10.0.0.3"));
        assert_eq!(client("10.0.0.2", &[&b"1.1.1.1"[..], b"\xff", b"10.0.0.3"]), ip("10.0.0.3"));
        assert_eq!(client("10.0.0.2", &[b"1.1.1.1, \xff"]), ip("10.0.0.2"));
        assert_eq!(client("10.0.0.2", &["1.1.1.1, é, 198.51.100.1"]), ip("198.51.100.1"));
    }

    #[test]
    fn ports_and_brackets_are_passed_over() {
        assert_eq!(client("fd00::1", &["198.51.100.1:4711"]), ip("198.51.100.1"));
        assert_eq!(client("fd00::1", &["[2001:db8::7]:4711"]), ip("2001:db8::7"));
        assert_eq!(client("fd00::1", &["2001:db8::7"]), ip("2001:db8::7"));
        assert_eq!(client("fd00::1", &["[2001:db8::7]"]), ip("2001:db8::7"));
    }

    #[test]
    fn one_customer_of_ipv6_is_one_client() {
        assert_eq!(one_client(ip("2001:db8:1:2:3:4:5:6")), one_client(ip("2001:db8:1:2::9")));
        assert_ne!(one_client(ip("2001:db8:1:2::9")), one_client(ip("2001:db8:1:3::9")));
        assert_eq!(one_client(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
        assert_ne!(one_client(ip("10.0.0.1")), one_client(ip("10.0.0.2")));
    }

    #[test]
    fn networks_that_cannot_be_read_are_refused() {
        for bad in ["nonsense", "10.0.0.0/33", "10.0.0.1;10.0.0.2"] {
            bad.parse::<TrustedProxies>().unwrap_err();
        }
        assert_eq!("".parse(), Ok(TrustedProxies::default()));
    }
}
