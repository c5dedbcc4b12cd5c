//! How far HTTP tasks reach: the guard against requests forged by a definition's author (SSRF).
use super::address::{holds_credentials, is_public, meanings};
use std::net::IpAddr;
use std::str::FromStr;

/// Names under which clouds answer with credentials, and everything below them.
const CREDENTIAL_HOSTS: [&str; 6] = [
    "metadata.google.internal",
    "metadata.goog",
    "instance-data.ec2.internal",
    "metadata.tencentyun.com",
    "metadata.packet.net",
    "metadata.platformequinix.com",
];

/// How far HTTP tasks reach. The check is made on the address that is really connected to, after
/// name resolution and for every redirect; an IPv6 address counts as the IPv4 address it embeds, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every address.
    Any,
    /// Every address but those where clouds keep machine credentials: link-local ones and a few
    /// beside them. Fit for engines that call services of their own network; loopback is allowed,
    /// as development needs it.
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
        let all_public = || meanings(address).into_iter().all(is_public);
        match self {
            Self::Any => true,
            Self::Internal => !meanings(address).into_iter().any(holds_credentials),
            Self::Loopback => address.to_canonical().is_loopback() || all_public(),
            Self::Public => all_public(),
        }
    }

    /// Whether a host of this name may be called if its addresses may. The name is lower-case, as
    /// in a parsed URL.
    pub(super) fn allows_name(self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let is_below = |known: &&str| {
            host.strip_suffix(*known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self == Self::Any || !CREDENTIAL_HOSTS.iter().any(is_below)
    }
}

impl FromStr for Reach {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|reach| reach.name() == name);
        known.ok_or_else(|| format!("`{name}` is none of any, internal, loopback, public"))
    }
}
