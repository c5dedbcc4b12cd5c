//! What an address means: which IPv4 address an IPv6 address stands for, and what is reached there.
//!
//! **Source**: the IANA special-purpose address registries; RFC 4291, 6052 (NAT64), 8215, 3056
//! (6to4), 4380 (Teredo), 5214 (ISATAP); the clouds' manuals for where they keep credentials.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 addresses outside 169.254.0.0/16 where clouds answer with credentials or configuration.
const CLOUD_V4: [Ipv4Addr; 3] = [
    // Alibaba Cloud.
    Ipv4Addr::new(100, 100, 100, 200),
    // Oracle Cloud, classic.
    Ipv4Addr::new(192, 0, 0, 192),
    // Azure's wire server.
    Ipv4Addr::new(168, 63, 129, 16),
];
/// The address that most clouds use.
const METADATA_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// IPv6 addresses outside fe80::/10 of the same kind: Google Cloud, Scaleway.
const CLOUD_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];
/// fd00:ec2::/32: the services of AWS beside a machine, credentials among them.
const AWS_V6: (u16, u16) = (0xfd00, 0xec2);

/// Special-purpose IPv4 blocks that are not globally reachable, as (address, prefix length).
const SPECIAL_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::BROADCAST, 32),
];
/// The same for IPv6, within 2000::/3; nothing outside of it is handed out.
const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    // Protocol assignments: Teredo, benchmarking, ORCHID.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Every address that this one may lead to: itself, unless it is only another spelling, and the
/// IPv4 addresses that it embeds. What is said of an address must hold for all of them.
pub(super) fn meanings(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(address) = address else { return vec![address] };
    let segments = address.segments();
    let last = v4(segments[6], segments[7]);
    match segments {
        // Mapped, and the well-known prefix of NAT64: spellings of an IPv4 address.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => vec![last.into()],
        // Unspecified and loopback, not IPv4-compatible.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => vec![address.into()],
        segments => {
            let mut all = vec![IpAddr::V6(address)];
            all.extend(embedded(segments).into_iter().map(IpAddr::V4));
            all
        }
    }
}

/// The IPv4 addresses within an IPv6 address that has routes of its own.
fn embedded(segments: [u16; 8]) -> Vec<Ipv4Addr> {
    let last = v4(segments[6], segments[7]);
    let mut found = match segments {
        // IPv4-compatible, and translated (SIIT).
        [0, 0, 0, 0, 0 | 0xffff, 0, ..] => vec![last],
        [0x2002, high, low, ..] => vec![v4(high, low)],
        // Teredo: the server, and the client with all bits turned.
        [0x2001, 0, high, low, ..] => vec![v4(high, low), v4(!segments[6], !segments[7])],
        [0x64, 0xff9b, 1, ..] => local_nat64(segments),
        _ => Vec::new(),
    };
    // ISATAP, with either value of the universal bit.
    if segments[4] & !0x0300 == 0 && segments[5] == 0x5efe {
        found.push(last);
    }
    // A network may choose any prefix for its NAT64: there, at least this much is known.
    if last == METADATA_V4 || CLOUD_V4.contains(&last) {
        found.push(last);
    }
    found
}

/// 64:ff9b:1::/48 is cut by each network as it likes: every place that RFC 6052 allows.
fn local_nat64(segments: [u16; 8]) -> Vec<Ipv4Addr> {
    // The eight bits from 64 on are left out.
    let bytes: Vec<u8> = segments
        .into_iter()
        .flat_map(u16::to_be_bytes)
        .enumerate()
        .filter(|(place, _)| *place != 8)
        .map(|(_, byte)| byte)
        .collect();
    let from = |place: usize| {
        let [first, second, third, fourth] = std::array::from_fn(|index| bytes[place + index]);
        Ipv4Addr::new(first, second, third, fourth)
    };
    // Prefixes of 48, 56, 64 and 96 bits.
    [6, 7, 8, 11].map(from).into()
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

/// Whether clouds keep machine credentials at this very address: link-local ones, and those few
/// beside them.
pub(super) fn holds_credentials(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || CLOUD_V4.contains(&address),
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            let local = address.is_unicast_link_local() || CLOUD_V6.contains(&address);
            local || (first, second) == AWS_V6
        }
    }
}

/// Whether this very address is one of the public internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    let special = match address {
        IpAddr::V4(address) => {
            let within = |(block, length): &(Ipv4Addr, u32)| {
                (address.to_bits() ^ block.to_bits()) >> (32 - length) == 0
            };
            SPECIAL_V4.iter().any(within)
        }
        IpAddr::V6(address) => {
            let within = |(block, length): &(Ipv6Addr, u32)| {
                (address.to_bits() ^ block.to_bits()) >> (128 - length) == 0
            };
            address.segments()[0] & 0xe000 != 0x2000 || SPECIAL_V6.iter().any(within)
        }
    };
    !special && !holds_credentials(address)
}
