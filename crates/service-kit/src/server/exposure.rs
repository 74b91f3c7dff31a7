//! Which requests are refused as long as nobody has to log in: those that another web page, a name that was pointed here
//! or an unknown proxy lets somebody make.

use crate::problem::Problem;
use crate::proxies::TrustedProxies;
use crate::server::connection::Connection;
use crate::server::cors::CorsOrigins;
use crate::server::head::{Head, host_name, split_host};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// What probes ask for: they know a service by its address alone. No web page can be at an address that it was not loaded
/// from, so such a host is no danger.
pub(crate) const PROBED: [&str; 3] = ["/health/live", "/health/ready", "/metrics"];

/// Hosts that a service may be called by, beside those of its own machine.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AllowedHosts(Arc<[String]>);

impl FromStr for AllowedHosts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hosts = text.split(',').map(str::trim).filter(|host| !host.is_empty());
        let plain = |host: &str| {
            let bare = if host.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
            // There are no patterns: one would be taken for a name, and allow nothing.
            let is_host = split_host(&bare).is_some_and(|name| name == bare) && !bare.contains('*');
            if is_host { Ok(normal(&bare)) } else { Err("must be names or addresses without a port".to_owned()) }
        };
        Ok(Self(hosts.map(plain).collect::<Result<Vec<_>, _>>()?.into()))
    }
}

/// In lower case, without the dot that may end a name.
fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// The conditions that a request has to meet.
#[derive(Clone, Debug)]
pub(crate) struct Exposure {
    hosts: AllowedHosts,
    bind_address: IpAddr,
    proxies: TrustedProxies,
    pages: CorsOrigins,
}

impl Exposure {
    /// Of a service that listens on `bind_address`.
    pub(crate) fn new(hosts: AllowedHosts, bind_address: IpAddr, proxies: TrustedProxies, pages: CorsOrigins) -> Self {
        Self { hosts, bind_address, proxies, pages }
    }

    /// The client that a request on `connection` comes from, past the proxies.
    pub(crate) fn client(&self, connection: Option<&Connection>, headers: &HeaderMap) -> IpAddr {
        self.proxies.client_behind(connection, headers)
    }

    /// Why a request that came on `connection` is refused, and what to do about it. No call but one that `takes_form` takes
    /// what other sites can send unasked.
    pub(crate) fn refusal(
        &self,
        head: &Head<'_>,
        connection: Option<&Connection>,
        takes_form: impl FnOnce() -> bool,
    ) -> Option<Problem> {
        let reason = self.reason(head, connection)?;
        if head.has_foreign_body() && !takes_form() {
            return Some(Problem::unsupported_media_type());
        }
        Some(Problem::new(StatusCode::FORBIDDEN, "protected-mode", "Protected mode", reason))
    }

    fn reason(&self, head: &Head<'_>, connection: Option<&Connection>) -> Option<String> {
        let by_address = PROBED.contains(&head.path());
        let is_allowed = |host: &str| self.allows(host, connection) || (by_address && address(host).is_some());
        // In an absolute URL the target says it too.
        let target = head.request().uri().authority().and_then(|authority| split_host(authority.as_str()));
        let named = head.host.filter(|_| !head.host_is_known).and_then(host_name);
        if let Some(host) = [named, target].into_iter().flatten().find(|host| !is_allowed(host)) {
            return Some(format!(
                "requests for the host {host} are refused; if the service is meant to be called by it, add it to the \
                 variable ALLOWED_HOSTS"
            ));
        }
        if let Some(header) =
            head.forwarded.filter(|_| !connection.is_some_and(|it| self.proxies.contains(it.peer.ip())))
        {
            return Some(format!(
                "the request came through a proxy (it has the header {header}) that is not known; add the address of the \
                 proxy to the variable TRUSTED_PROXIES, and let the proxy decide who may call"
            ));
        }
        let is_listed = !head.origins.is_empty() && head.origins.iter().all(|origin| self.pages.contain(origin));
        if is_listed || is_safe(head.request().method()) {
            return None;
        }
        if head.cross_site || head.origins.iter().any(|origin| !self.is_own_page(origin, connection)) {
            let advice = "if it is one of yours, add its origin to the variable CORS_ORIGINS, or its host to ALLOWED_HOSTS and call \
                 from the same site";
            return Some(format!("the page of another site wants to change something; {advice}"));
        }
        None
    }

    fn allows(&self, host: &str, connection: Option<&Connection>) -> bool {
        if let Some(address) = address(host) {
            let own = if self.bind_address.is_unspecified() {
                connection.and_then(|connection| connection.local)
            } else {
                Some(self.bind_address)
            };
            if address.is_loopback() || own.is_some_and(|own| own.to_canonical() == address) {
                return true;
            }
        }
        let bare = host.strip_suffix('.').unwrap_or(host);
        bare.eq_ignore_ascii_case("localhost") || self.hosts.0.iter().any(|allowed| allowed.eq_ignore_ascii_case(bare))
    }

    fn is_own_page(&self, origin: &HeaderValue, connection: Option<&Connection>) -> bool {
        host_of_page(origin).is_some_and(|host| self.allows(host, connection))
    }
}

/// Why a request may come from elsewhere than from a program or a page of this very machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Doubt {
    /// It came from another machine.
    Peer,
    /// It names another host.
    Host,
    /// It came through a proxy, known or not.
    Proxy,
    /// The page of another site makes it.
    Page,
    /// Its body is of a type that other sites can send unasked.
    Body,
}

impl Doubt {
    /// In words, after "and".
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Peer => "the request came from another one",
            Self::Host => "the request names another host than localhost",
            Self::Proxy => "the request came through a proxy",
            Self::Page => "the request came from the page of another site",
            Self::Body => "the body is not JSON",
        }
    }
}

/// What speaks against taking the caller for somebody on this machine. `host_is_own` tells what is known of its host.
pub(crate) fn doubt(head: &Head<'_>, connection: Option<&Connection>, host_is_own: Option<bool>) -> Option<Doubt> {
    // What comes in chunks no page sends unasked, and may be no body at all.
    if head.has_foreign_body() && !head.coded {
        return Some(Doubt::Body);
    }
    if !came_from_here(head, connection) {
        return Some(if head.forwarded.is_some() { Doubt::Proxy } else { Doubt::Peer });
    }
    if !host_is_own.unwrap_or_else(|| names_this_machine(head)) {
        return Some(Doubt::Host);
    }
    let is_own = |origin: &&HeaderValue| host_of_page(origin).is_some_and(is_this_machine);
    (head.cross_site || !head.origins.iter().all(is_own)).then_some(Doubt::Page)
}

/// Whether a program on this machine sent it, for itself.
pub(crate) fn came_from_here(head: &Head<'_>, connection: Option<&Connection>) -> bool {
    let from_loopback = connection.is_some_and(|connection| connection.peer.ip().to_canonical().is_loopback());
    from_loopback && head.forwarded.is_none()
}

/// Whether all that a request says of its host is a name of this machine.
pub(crate) fn names_this_machine(head: &Head<'_>) -> bool {
    let target = head.request().uri().authority().map(|authority| split_host(authority.as_str()));
    let named = [head.host.map(host_name), target];
    head.host.is_some() && named.into_iter().flatten().all(|host| host.is_some_and(is_this_machine))
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.strip_suffix('.').unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost") || address(host).is_some_and(|address| address.is_loopback())
}

/// The host of the page that an `Origin` names.
fn host_of_page(origin: &HeaderValue) -> Option<&str> {
    let (scheme, rest) = origin.to_str().ok()?.split_once("://")?;
    if matches!(scheme, "http" | "https") { split_host(rest) } else { None }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// The address that a host is, if it is one.
fn address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::{AllowedHosts, Doubt, Exposure, doubt};
    use crate::access::{AccessConfig, Mode};
    use crate::server::connection::Connection;
    use crate::server::gate::{Gate, Unnamed};
    use crate::server::head::Head;
    use axum::body::Body;
    use axum::extract::Request;

    fn exposure(hosts: &str, bind_address: &str) -> Exposure {
        let pages = "https://pages.example".parse().unwrap();
        Exposure::new(hosts.parse().unwrap(), bind_address.parse().unwrap(), "10.0.0.0/8".parse().unwrap(), pages)
    }

    fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
        let builder = Request::builder().method(method).uri(path);
        let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        builder.body(Body::empty()).unwrap()
    }

    fn refused_from(peer: &str, exposure: &Exposure, request: &Request) -> Option<u16> {
        let local = Some("192.0.2.7".parse().unwrap());
        let connection = Connection::new(format!("{peer}:1").parse().unwrap(), local);
        exposure.refusal(&Head::of(request), Some(&connection), || false).map(|problem| problem.status)
    }

    fn refused(exposure: &Exposure, request: &Request) -> Option<u16> {
        refused_from("127.0.0.1", exposure, request)
    }

    #[test]
    fn a_service_is_called_by_its_own_names() {
        let by = |exposure: &Exposure, host| refused(exposure, &request("GET", "/api/orders", &[("host", host)]));
        let plain = exposure("", "127.0.0.1");
        for own in ["localhost:8081", "LOCALHOST", "localhost.", "127.0.0.1:8081", "127.9.9.9", "[::1]:8081"] {
            assert_eq!(by(&plain, own), None, "{own}");
        }
        let foreign =
            ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "0.0.0.0", "10.0.0.1", "[2001:db8::1]"];
        for host in foreign {
            assert_eq!(by(&plain, host), Some(403), "{host}");
        }
        let named = exposure("shop.example, 192.0.2.9,inventory-service,2001:db8::1", "127.0.0.1");
        for own in ["Shop.Example:443", "192.0.2.9", "inventory-service:8082", "[2001:db8::1]:80", "localhost"] {
            assert_eq!(by(&named, own), None, "{own}");
        }
        assert_eq!(by(&named, "www.shop.example"), Some(403));
        assert_eq!(by(&exposure("", "192.0.2.9"), "192.0.2.9:8081"), None, "the address it listens on");
        assert_eq!(by(&exposure("", "0.0.0.0"), "192.0.2.7:8081"), None, "the address that was called");
        assert_eq!(by(&exposure("", "0.0.0.0"), "192.0.2.8:8081"), Some(403));
        assert_eq!(by(&exposure("", "0.0.0.0"), "0.0.0.0:8081"), Some(403));
    }

    #[test]
    fn the_target_of_the_request_counts_too() {
        let absolute = request("GET", "http://evil.example/api/orders", &[("host", "localhost")]);
        assert_eq!(refused(&exposure("", "127.0.0.1"), &absolute), Some(403));
    }

    #[test]
    fn probes_call_by_address() {
        let exposure = exposure("", "0.0.0.0");
        for path in ["/health/live", "/health/ready", "/metrics"] {
            assert_eq!(refused(&exposure, &request("GET", path, &[("host", "10.1.2.3:8081")])), None, "{path}");
            assert_eq!(refused(&exposure, &request("GET", path, &[("host", "evil.example")])), Some(403), "{path}");
        }
    }

    /// Every combination of the conditions in every mode: one that is not met is enough.
    #[test]
    fn each_condition_counts() {
        let exposure = exposure("shop.example", "127.0.0.1");
        let gates = [Mode::Required, Mode::Local, Mode::Open]
            .map(|access| (access, Gate::new(AccessConfig { access, guest_orders: false }, None)));
        for case in 0..1 << 9 {
            let is = |bit: u32| case & (1 << bit) != 0;
            let (foreign_host, named_host) = (is(0), is(1));
            let host = if named_host { "shop.example" } else { "127.0.0.1:8081" };
            let mut headers = vec![("host", if foreign_host { "evil.example" } else { host })];
            let (foreign_page, named_page, cross_site, forwarded) = (is(2), is(3), is(4), is(5));
            headers.extend(foreign_page.then_some(("origin", "http://evil.example")));
            headers.extend(named_page.then_some(("origin", "https://shop.example")));
            headers.extend(cross_site.then_some(("sec-fetch-site", "cross-site")));
            headers.extend(forwarded.then_some(("x-forwarded-for", "198.51.100.1")));
            let (changes, from_proxy, foreign_body) = (is(6), is(7), is(8));
            headers.extend(foreign_body.then_some(("content-type", "text/plain")));
            let (method, peer) =
                (if changes { "POST" } else { "GET" }, if from_proxy { "10.0.0.1" } else { "127.0.0.1" });
            let mut request = request(method, "/api/orders", &headers);
            if foreign_body {
                *request.body_mut() = Body::from("x");
            }
            let expected = foreign_host || (forwarded && !from_proxy) || (changes && (foreign_page || cross_site));
            let status = if foreign_body { 415 } else { 403 };
            let what = format!("{method} {headers:?} from {peer}");
            assert_eq!(refused_from(peer, &exposure, &request), expected.then_some(status), "{what}");
            let elsewhere = foreign_host || named_host || foreign_page || named_page || cross_site || forwarded;
            let doubted = elsewhere || from_proxy || foreign_body;
            for (mode, gate) in &gates {
                let connection = Connection::new(format!("{peer}:1").parse().unwrap(), None);
                let unnamed = gate.unnamed(&Head::of(&request), Some(&connection), None);
                let everything = match mode {
                    Mode::Required => false,
                    Mode::Local => !doubted,
                    Mode::Open => true,
                };
                assert_eq!(unnamed == Unnamed::Operator, everything, "{mode:?}: {what}");
            }
        }
    }

    #[test]
    fn this_machine_is_called_by_its_own_names() {
        let peer = Connection::new("[::ffff:127.0.0.1]:1".parse().unwrap(), None);
        let of = |uri, headers: &[(&str, &str)]| doubt(&Head::of(&request("GET", uri, headers)), Some(&peer), None);
        for own in ["localhost:8081", "LOCALHOST.", "127.8.9.10", "[::1]:8081", "[::ffff:127.0.0.1]"] {
            assert_eq!(of("/", &[("host", own)]), None, "{own}");
        }
        for other in ["192.0.2.7", "localhost.evil.example", "[2001:db8::1]", "0.0.0.0"] {
            assert_eq!(of("/", &[("host", other)]), Some(Doubt::Host), "{other}");
        }
        assert_eq!(of("/", &[]), Some(Doubt::Host));
        assert_eq!(of("http://evil.example/", &[("host", "localhost")]), Some(Doubt::Host));
        let from = |origin| of("/", &[("host", "localhost"), ("origin", origin)]);
        assert_eq!([from("http://localhost:3000"), from("http://[::1]")], [None; 2]);
        assert_eq!([from("null"), from("https://192.0.2.7"), from("")], [Some(Doubt::Page); 3]);
        assert_eq!(doubt(&Head::of(&request("GET", "/", &[("host", "localhost")])), None, None), Some(Doubt::Peer));
    }

    #[test]
    fn pages_of_our_own_may_change_things() {
        let exposure = exposure("shop.example", "127.0.0.1");
        let from = |origin| refused(&exposure, &request("POST", "/x", &[("host", "localhost"), ("origin", origin)]));
        for own in ["http://localhost:8081", "http://127.0.0.1:3000", "http://[::1]:8081", "https://shop.example"] {
            assert_eq!(from(own), None, "{own}");
        }
        let foreign = ["null", "http://evil.example", "file://", "https://shop.example.evil", "shop.example", ""];
        for origin in foreign.into_iter().chain(["chrome-extension://localhost", "http://localhost@evil.example"]) {
            assert_eq!(from(origin), Some(403), "{origin}");
        }
        let site =
            |site| refused(&exposure, &request("DELETE", "/x", &[("host", "localhost"), ("sec-fetch-site", site)]));
        assert_eq!([site("none"), site("same-origin"), site("same-site")], [None; 3]);
        assert_eq!([site("cross-site"), site("nonsense")], [Some(403); 2]);
    }

    #[test]
    fn pages_of_listed_origins_may_change_things_and_are_no_operators() {
        let exposure = exposure("", "127.0.0.1");
        let from = |origins: &[&str]| {
            let mut headers = vec![("host", "localhost"), ("sec-fetch-site", "cross-site")];
            headers.extend(origins.iter().map(|origin| ("origin", *origin)));
            request("POST", "/api/orders", &headers)
        };
        assert_eq!(refused(&exposure, &from(&["https://pages.example"])), None);
        for other in [&["http://pages.example"][..], &["https://pages.example", "https://evil.example"], &[]] {
            assert_eq!(refused(&exposure, &from(other)), Some(403), "{other:?}");
        }
        let peer = Connection::new("127.0.0.1:1".parse().unwrap(), None);
        assert_eq!(doubt(&Head::of(&from(&["https://pages.example"])), Some(&peer), None), Some(Doubt::Page));
        let elsewhere = request("POST", "/x", &[("host", "evil.example"), ("origin", "https://pages.example")]);
        assert_eq!(refused(&exposure, &elsewhere), Some(403));
    }

    #[test]
    fn every_header_of_a_proxy_counts() {
        let exposure = exposure("", "127.0.0.1");
        for header in ["forwarded", "via", "x-real-ip", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-anything"]
        {
            let request = request("GET", "/api/orders", &[("host", "localhost"), (header, "x")]);
            assert_eq!(refused(&exposure, &request), Some(403), "{header}");
            assert_eq!(refused_from("10.0.0.1", &exposure, &request), None, "{header}");
        }
    }

    #[test]
    fn a_media_type_that_is_not_taken_is_said_first() {
        let body = Request::builder().method("POST").uri("/api/orders").header("host", "evil.example");
        let form = body.header("content-type", "application/x-www-form-urlencoded").body(Body::from("a=b")).unwrap();
        assert_eq!(refused(&exposure("", "127.0.0.1"), &form), Some(415));
    }

    #[test]
    fn hosts_that_cannot_be_one_are_refused() {
        for bad in ["shop.example:443", "https://shop.example", "a b", "*", "*.shop.example"] {
            bad.parse::<AllowedHosts>().unwrap_err();
        }
    }
}
