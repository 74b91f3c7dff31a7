//! What counts as one network.

use super::domain::Guesser;
use service_kit::proxies::one_client;
use std::net::{IpAddr, Ipv4Addr};

/// Somebody at this address who tries the account of an e-mail address, by its key: an IPv4 address is one guesser, and so
/// is an IPv6 /64.
pub fn guesser_at(email_key: &str, client: IpAddr) -> Guesser {
    Guesser::new(email_key, one_client(client).to_string())
}

/// The network of an address, as a session shows it: the first 24 bits of IPv4, 64 of IPv6.
pub fn network_of(address: IpAddr) -> String {
    match one_client(address) {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(address) => format!("{address}/64"),
    }
}

#[cfg(test)]
mod tests {
    use super::{guesser_at, network_of};

    #[test]
    fn a_network_is_no_address() {
        assert_eq!(network_of("203.0.113.77".parse().unwrap()), "203.0.113.0/24");
        assert_eq!(network_of("::ffff:203.0.113.77".parse().unwrap()), "203.0.113.0/24");
        assert_eq!(network_of("2001:db8:1:2:3:4:5:6".parse().unwrap()), "2001:db8:1:2::/64");
    }

    #[test]
    fn a_customer_of_ipv6_is_one_guesser() {
        let guesser = |address: &str| guesser_at("ada@example.com", address.parse().unwrap());
        assert_eq!(guesser("2001:db8:1:2:3::4"), guesser("2001:db8:1:2::9"));
        assert_ne!(guesser("203.0.113.7"), guesser("203.0.113.8"));
    }
}
