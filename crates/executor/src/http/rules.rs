//! Whether a URL may be called, judged by its text and again by every address that its name
//! resolves to: what is judged is what is connected to.
use super::config::HttpConfig;
use super::endpoint::{Endpoint, HostPort};
use super::reach::Reach;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// What decides about a call.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    reach: Reach,
    allow: Arc<[HostPort]>,
    deny: Arc<[Endpoint]>,
}

/// How the addresses of a name are judged. Connections are shared only between calls of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Access {
    /// Not at all: the operator allows the name.
    Free,
    /// By the reach.
    Reach,
    /// By the reach and as endpoints with this port, since one that is refused has it.
    Port(u16),
}

/// A host as it is written.
enum Host<'url> {
    Address(IpAddr),
    Name(&'url str),
}

impl Rules {
    pub(super) fn new(config: &HttpConfig) -> Self {
        let (allow, deny) = (config.allow.clone().into(), config.deny.clone().into());
        Self { reach: config.reach, allow, deny }
    }

    /// Whether this URL may be called as far as its text tells, and how the rest is judged.
    ///
    /// # Errors
    /// The refusal, for people.
    pub(super) async fn judge(&self, url: &Url) -> Result<Access, String> {
        if self.allow.iter().any(|allowed| allowed.is_of(url)) {
            return Ok(Access::Free);
        }
        let port = url.port_or_known_default().unwrap_or_default();
        let has_port = self.deny.iter().any(|endpoint| endpoint.port() == port);
        let access = if has_port { Access::Port(port) } else { Access::Reach };
        match host_of(url) {
            Host::Address(address) => self.judge_address(address, access).await?,
            Host::Name(name) if self.reach.allows_name(name) => {}
            Host::Name(name) => return Err(out_of_reach(name, self.reach)),
        }
        Ok(access)
    }

    /// Whether this address may be connected to.
    ///
    /// # Errors
    /// The refusal, for people.
    async fn judge_address(&self, address: IpAddr, access: Access) -> Result<(), String> {
        let port = match access {
            Access::Free => return Ok(()),
            Access::Reach => None,
            Access::Port(port) => Some(port),
        };
        if !self.reach.allows(address) {
            return Err(out_of_reach(&address.to_string(), self.reach));
        }
        for endpoint in self.deny.iter().filter(|endpoint| Some(endpoint.port()) == port) {
            if endpoint.is_reached_at(address).await {
                return Err(refused(address, endpoint.port()));
            }
        }
        Ok(())
    }
}

fn host_of(url: &Url) -> Host<'_> {
    // An IPv6 host is written in brackets.
    let host = url.host_str().unwrap_or_default();
    let v6 = || host.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    match host.parse::<Ipv4Addr>() {
        Ok(address) => Host::Address(address.into()),
        Err(_) => v6().map_or(Host::Name(host), |address| Host::Address(address.into())),
    }
}

/// The refusal, with the setting that decides.
fn out_of_reach(host: &str, reach: Reach) -> String {
    format!("the address of {host} may not be called (http-reach is {})", reach.name())
}

fn refused(address: IpAddr, port: u16) -> String {
    let address = SocketAddr::new(address, port);
    format!(
        "{address} may not be called: Baton itself, its database or a host of http-deny is there \
         (http-allow makes exceptions)"
    )
}

/// Resolves names and leaves out what may not be connected to.
#[derive(Debug)]
pub(super) struct GuardedResolver {
    pub(super) rules: Rules,
    pub(super) access: Access,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, access) = (self.rules.clone(), self.access);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let (mut allowed, mut refusal) = (Vec::new(), None);
            for address in found {
                match rules.judge_address(address.ip(), access).await {
                    Ok(()) => allowed.push(address),
                    Err(cause) => refusal = Some(cause),
                }
            }
            match refusal {
                Some(cause) if allowed.is_empty() => {
                    Err(format!("{}: {cause}", name.as_str()).into())
                }
                Some(_) | None => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests;
