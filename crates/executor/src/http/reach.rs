//! Which addresses HTTP tasks may call: the guard against requests forged by a definition's author
//! (SSRF).
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// How far HTTP tasks reach. The check is made on the address that is really connected to, after
/// name resolution and for every redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every address.
    Any,
    /// Every address but link-local ones, where clouds keep machine credentials. Fit for engines
    /// that call services of their own network; loopback is allowed, as development needs it.
    Internal,
    /// Public addresses and this machine.
    Loopback,
    /// Public addresses only. Choose it where definitions come from people you do not trust.
    Public,
}

impl Reach {
    /// Every choice, from wide to narrow.
    pub const ALL: [Self; 4] = [Self::Any, Self::Internal, Self::Loopback, Self::Public];

    /// The name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Internal => "internal",
            Self::Loopback => "loopback",
            Self::Public => "public",
        }
    }

    /// Whether this address may be called.
    pub fn allows(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Self::Any => true,
            Self::Internal => !is_link_local(address),
            Self::Loopback => address.is_loopback() || is_public(address),
            Self::Public => is_public(address),
        }
    }

    /// Whether the host of this URL may be called, as far as its text tells; names are looked at
    /// when they are resolved.
    pub(super) fn allows_text(self, url: &Url) -> bool {
        // An IPv6 host is written in brackets.
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        IpAddr::from_str(host).map_or(true, |address| self.allows(address))
    }
}

impl FromStr for Reach {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|reach| reach.name() == name);
        known.ok_or_else(|| format!("`{name}` is none of any, internal, loopback, public"))
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        // fd00:ec2::254 is the one cloud metadata address outside fe80::/10.
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// **Source**: the IANA special-purpose address registries.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    let protocol = first == 192 && second == 0 && third == 0;
    let benchmark = first == 198 && (second == 18 || second == 19);
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast();
    !(special || shared || protocol || benchmark || first == 0 || first >= 240)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Only 2000::/3 is handed out; within it, documentation, and prefixes that embed an IPv4
    // address (6to4, Teredo), are not to be trusted. So is NAT64 outside of it.
    let global = segments[0] & 0xe000 == 0x2000;
    let documentation = segments[0] == 0x2001 && segments[1] == 0xdb8;
    let embedding = segments[0] == 0x2002 || (segments[0] == 0x2001 && segments[1] == 0);
    global && !documentation && !embedding
}

/// Resolves names and leaves out what is out of reach.
#[derive(Debug)]
pub(super) struct GuardedResolver(pub(super) Reach);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|address| reach.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(out_of_reach(name.as_str(), reach).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The refusal, with the setting that decides.
pub(super) fn out_of_reach(host: &str, reach: Reach) -> String {
    format!("the address of {host} may not be called (http-reach is {})", reach.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(address: &str) -> String {
        let address: IpAddr = address.parse().unwrap();
        let names = Reach::ALL.into_iter().filter(|reach| reach.allows(address));
        names.map(Reach::name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_reach_lets_through_what_it_says() {
        for public in ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"] {
            assert_eq!(allowed(public), "any internal loopback public", "{public}");
        }
        for local in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(allowed(local), "any internal loopback", "{local}");
        }
        for private in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "fd00::1",
            "0.0.0.0",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "255.255.255.255",
        ] {
            assert_eq!(allowed(private), "any internal", "{private}");
        }
        for metadata in ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254"] {
            assert_eq!(allowed(metadata), "any", "{metadata}");
        }
    }

    #[test]
    fn addresses_written_in_odd_ways_are_seen_through() {
        for url in ["http://127.1/", "http://0x7f000001/", "http://2130706433/", "http://[::1]:8/"]
        {
            assert!(!Reach::Public.allows_text(&Url::parse(url).unwrap()), "{url}");
        }
        assert!(Reach::Public.allows_text(&Url::parse("http://example.com/").unwrap()));
    }
}
