//! Hosts with ports: what is allowed or refused by itself, whatever the reach.
use super::address::meanings;
use reqwest::Url;
use std::fmt::{self, Display};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::str::FromStr;

/// A host, by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// A host as it stands in a URL, an IPv6 address with or without brackets.
    ///
    /// # Errors
    /// What is wrong with the host.
    pub fn new(host: &str, port: u16) -> Result<Self, String> {
        let bracketed = match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            Ok(IpAddr::V4(_)) | Err(_) => host.to_owned(),
        };
        let wrong = || format!("`{host}` is not a host");
        let url = Url::parse(&format!("http://{bracketed}:{port}/")).map_err(|_| wrong())?;
        let plain =
            url.path() == "/" && url.authority().find('@').is_none() && url.fragment().is_none();
        match url.host_str() {
            Some(host) if plain && url.query().is_none() => {
                Ok(Self { host: without_dot(host).to_owned(), port })
            }
            Some(_) | None => Err(wrong()),
        }
    }

    /// Where this URL leads to.
    ///
    /// # Errors
    /// It is not `http` or `https`, or has no host.
    pub fn of_url(url: &str) -> Result<Self, String> {
        let wrong = || format!("`{url}` has no host and port");
        let parsed = Url::parse(url).map_err(|_| wrong())?;
        let port = parsed.port_or_known_default().ok_or_else(wrong)?;
        Self::new(parsed.host_str().ok_or_else(wrong)?, port)
    }

    /// Whether this is the host and port of a URL, as they are written.
    pub(super) fn is_of(&self, url: &Url) -> bool {
        url.port_or_known_default() == Some(self.port)
            && url.host_str().map(without_dot) == Some(self.host.as_str())
    }
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not <host>:<port>");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_| wrong())?;
        // Without brackets the port of an IPv6 address cannot be told from its end.
        if port == 0 || host.contains(':') && !host.starts_with('[') {
            return Err(wrong());
        }
        Self::new(host, port).map_err(|_| wrong())
    }
}

impl Display for HostPort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

fn without_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// Something that HTTP tasks may not call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A port of this machine that this process listens on, by the address it is bound to.
    Listener(SocketAddr),
    /// A service, here or elsewhere: Baton's database, a server. A name stands for whatever it
    /// resolves to when an address is checked; what runs on this machine is taken to listen on all
    /// of the machine's addresses.
    Service(HostPort),
}

impl Endpoint {
    /// Its port.
    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Listener(address) => address.port(),
            Self::Service(service) => service.port,
        }
    }

    /// Whether a connection to this address, at this endpoint's port, would reach it. Yes where the
    /// name of a service cannot be resolved and so nobody can tell.
    pub(super) async fn is_reached_at(&self, address: IpAddr) -> bool {
        let targets = meanings(address);
        match self {
            Self::Listener(own) => targets.into_iter().any(|to| reaches_listener(to, own.ip())),
            Self::Service(service) => {
                let Ok(found) = addresses_of(service).await else { return true };
                let is_here = found.iter().any(|address| is_of_this_machine(*address));
                targets.iter().any(|to| found.contains(to) || is_here && is_of_this_machine(*to))
            }
        }
    }
}

async fn addresses_of(service: &HostPort) -> std::io::Result<Vec<IpAddr>> {
    let host = service.host.trim_matches(['[', ']']);
    let found = tokio::net::lookup_host((host, service.port)).await?;
    Ok(found.flat_map(|address| meanings(address.ip())).collect())
}

/// A connection to the unspecified address reaches the loopback address.
fn reaches_listener(target: IpAddr, own: IpAddr) -> bool {
    let own = own.to_canonical();
    if own.is_unspecified() {
        return is_of_this_machine(target);
    }
    target == own || target.is_unspecified() && own.is_loopback()
}

/// Whether a socket of this machine can have this address: the system says so by binding one.
fn is_of_this_machine(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_ports_are_read_as_urls_write_them() {
        for (text, shown) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("0x7f.1:80", "127.0.0.1:80"),
            ("Example.COM.:443", "example.com:443"),
            ("[0:0::1]:65535", "[::1]:65535"),
            ("bücher.example:1", "xn--bcher-kva.example:1"),
        ] {
            let parsed: HostPort = text.parse().unwrap();
            assert_eq!(parsed.to_string(), shown);
        }
        for wrong in [
            "",
            ":",
            ":80",
            "host",
            "host:",
            "host:0",
            "host:65536",
            "host:x",
            "::1:80",
            "a b:80",
            "u@host:80",
            "http://host:80",
            "host/path:80",
            "host?q:80",
            "host#f:80",
            "[::1:80",
        ] {
            assert!(wrong.parse::<HostPort>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_endpoint_of_a_url_has_its_default_port() {
        for (url, shown) in [
            ("http://Baton.example/api", "baton.example:80"),
            ("https://baton.example./", "baton.example:443"),
            ("http://u:p@[::1]:8080/api", "[::1]:8080"),
        ] {
            assert_eq!(HostPort::of_url(url).unwrap().to_string(), shown);
        }
        assert!(HostPort::of_url("no url").is_err());
    }

    #[tokio::test]
    async fn a_listener_is_reached_at_the_addresses_it_is_bound_to() {
        for (own, reached, not) in [
            (
                "127.0.0.1",
                "127.0.0.1 0.0.0.0 ::ffff:127.0.0.1 ::ffff:0.0.0.0 ::127.0.0.1",
                "127.0.0.2 ::1 10.0.0.1",
            ),
            (
                "0.0.0.0",
                "127.0.0.1 127.0.0.2 0.0.0.0 ::1 :: 2002:7f00:1::",
                "192.0.2.7 2001:db8::7",
            ),
            ("::", "127.0.0.1 127.9.9.9 ::1 :: 64:ff9b::7f00:1", "192.0.2.7 2001:db8::7"),
            ("::ffff:127.0.0.1", "127.0.0.1 0.0.0.0", "127.0.0.2 ::1"),
            ("::1", "::1 ::", "127.0.0.1 2001:db8::7"),
        ] {
            let endpoint = Endpoint::Listener(SocketAddr::new(own.parse().unwrap(), 80));
            for target in reached.split(' ') {
                assert!(endpoint.is_reached_at(target.parse().unwrap()).await, "{own} {target}");
            }
            for target in not.split(' ') {
                assert!(!endpoint.is_reached_at(target.parse().unwrap()).await, "{own} {target}");
            }
        }
    }

    #[tokio::test]
    async fn a_service_is_reached_at_whatever_its_name_resolves_to() {
        for (host, reached, not) in [
            ("localhost", "127.0.0.1 ::1 127.0.0.9 0.0.0.0 ::ffff:7f00:1", "192.0.2.7"),
            (
                "192.0.2.7",
                "192.0.2.7 ::ffff:192.0.2.7 64:ff9b::c000:207 2002:c000:207::",
                "192.0.2.8 127.0.0.1",
            ),
            // Who cannot be resolved could be anybody.
            ("no-such-host.invalid", "192.0.2.7", ""),
        ] {
            let endpoint = Endpoint::Service(HostPort::new(host, 5432).unwrap());
            for target in reached.split_whitespace() {
                assert!(endpoint.is_reached_at(target.parse().unwrap()).await, "{host} {target}");
            }
            for target in not.split_whitespace() {
                assert!(!endpoint.is_reached_at(target.parse().unwrap()).await, "{host} {target}");
            }
        }
    }
}
