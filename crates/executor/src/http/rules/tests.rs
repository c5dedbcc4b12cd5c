//! Every spelling of an address that we know of, and under which reach it may be called.
use super::*;
use crate::http::HttpConfig;

fn rules(reach: Reach) -> Rules {
    Rules::new(&HttpConfig::with_reach(reach))
}

/// The reaches under which the text of this URL may be called; none if it is not even a URL.
async fn allowed(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return "not a URL".to_owned() };
    let mut names = Vec::new();
    for reach in Reach::ALL {
        if rules(reach).judge(&url).await.is_ok() {
            names.push(reach.name());
        }
    }
    names.join(" ")
}

const EVERYWHERE: &str = "any internal loopback public";
const LOCAL: &str = "any internal loopback";
const PRIVATE: &str = "any internal";
const CREDENTIALS: &str = "any";
const NO_URL: &str = "not a URL";

/// Hosts by verdict, separated by spaces.
const HOSTS: [(&str, &str); 18] = [
    // Public ones, spelled as anybody likes.
    (EVERYWHERE, "93.184.216.34 8.8.8.8 1.1.1.1 0x08.8.8.8 134744072 9.255.255.255 11.0.0.0"),
    (EVERYWHERE, "100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0 192.0.1.0 198.17.255.255"),
    (EVERYWHERE, "198.20.0.0 223.255.255.255 [2606:2800:220:1::1] [::ffff:93.184.216.34]"),
    // NAT64 is how a network without IPv4 reaches public addresses.
    (EVERYWHERE, "[64:ff9b::8.8.8.8] [2001:200::1] [2a00::1] [3fff:1000::1]"),
    // Names are judged by what they resolve to.
    (
        EVERYWHERE,
        "example.com EXAMPLE.com. localhost metadata my-metadata.goog metadata.goog.example",
    ),
    (LOCAL, "127.0.0.1 127.0.0.1. 127.1 127.0.1 127.9.9.9 2130706433 0x7f000001 0X7F.1 0177.0.0.1"),
    (LOCAL, "017700000001 %31%32%37.0.0.1 １２７.0.0.1 127。0。0。1 user:secret@127.0.0.1"),
    (LOCAL, "[::1] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::FFFF:7F00:1]"),
    (
        PRIVATE,
        "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 192.168.257 100.64.0.1 100.127.255.255",
    ),
    (PRIVATE, "0.0.0.0 0 192.0.0.1 192.0.2.1 192.88.99.1 198.18.0.1 198.19.255.255 198.51.100.1"),
    (
        PRIVATE,
        "203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 4294967295 [::] [fd00::1] [fc00::1]",
    ),
    (PRIVATE, "[64:ff9b::a00:1] [64:ff9b::7f00:1] [2002:a00:1::] [2002:808:808::] [::127.0.0.1]"),
    (
        PRIVATE,
        "[100::1] [2001:db8::1] [2001::1] [2001:1ff::1] [3fff::1] [5f00::1] [fec0::1] [ff02::1]",
    ),
    (
        CREDENTIALS,
        "169.254.169.254 169.254.169.254. 2852039166 0xA9FEA9FE 0251.0376.0251.0376 \
        0xa9.0xfe.43518 169.16689662 169.254.170.2 169.254.0.1 169.254.255.255 a:b@169.254.169.254 \
        [fe80::1] [fe80::a9fe:a9fe] [febf::1] [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] \
        [0:0:0:0:0:FFFF:A9FE:A9FE] [::169.254.169.254] [::ffff:0:169.254.169.254] \
        [64:ff9b::a9fe:a9fe] [64:ff9b::169.254.1.1] [64:ff9b:1::a9fe:a9fe] \
        [64:ff9b:1:a9fe:a9:fe00::] [64:ff9b:1:a9:fe:a9fe::] [64:ff9b:1:0:a9:fea9:fe00:0] \
        [2002:a9fe:a9fe::] [2002:a9fe:a9fe::1] [2001:0:a9fe:a9fe::] [2001::5601:5601] \
        [fd00::5efe:169.254.169.254] [2001:db8::200:5efe:a9fe:a9fe] [fd00::300:5efe:a9fe:1] \
        [fd12:3456::a9fe:a9fe] [2606:4700::a9fe:a9fe] [fd00:c1::a9fe:a9fe]",
    ),
    (
        CREDENTIALS,
        "100.100.100.200 1684301000 0x64.100.0144.200 192.0.0.192 168.63.129.16 \
        [::ffff:100.100.100.200] [64:ff9b::168.63.129.16] [2002:a83f:8110::] [::192.0.0.192] \
        [2001:db8::6464:64c8]",
    ),
    (CREDENTIALS, "[fd00:ec2::254] [FD00:0EC2::FE] [fd00:ec2::23] [fd20:ce::254] [fd00:42::42]"),
    (
        CREDENTIALS,
        "metadata.google.internal METADATA.GOOGLE.INTERNAL metadata.google.internal. \
        user@metadata.google.internal ｍetadata.google.internal metadata。google。internal \
        meta%64ata.google.internal x.metadata.google.internal metadata.goog metadata.tencentyun.com \
        instance-data.ec2.internal",
    ),
    (
        NO_URL,
        "[fe80::1%25eth0] [fe80::1%eth0] 1.2.3.4.5 127.0.0.256 0x7f.0.0.0.1 [::1 999999999999 \
        [::ffff:127.1] 09.1.1.1",
    ),
];

#[tokio::test]
async fn each_reach_lets_through_what_it_says() {
    let spellings: Vec<(&str, &str)> = HOSTS
        .iter()
        .flat_map(|(verdict, hosts)| hosts.split_whitespace().map(move |host| (*verdict, host)))
        .collect();
    assert!(spellings.len() >= 80, "{}", spellings.len());
    for (verdict, host) in spellings {
        for url in [format!("http://{host}/"), format!("HTTPS://{host}:8443/p?q#f")] {
            assert_eq!(allowed(&url).await, verdict, "{url}");
        }
    }
}

/// A URL may not name one host to us and another to whoever connects.
#[tokio::test]
async fn the_host_is_what_a_browser_takes_for_it() {
    for (url, verdict) in [
        ("http://169.254.169.254#@example.com/", CREDENTIALS),
        ("http://example.com@169.254.169.254/", CREDENTIALS),
        ("http://example.com\\@169.254.169.254/", EVERYWHERE),
        ("http:\\\\169.254.169.254\\x", CREDENTIALS),
        ("http:169.254.169.254", CREDENTIALS),
        ("http:///169.254.169.254/", CREDENTIALS),
        ("  http://169.254.169.254/", CREDENTIALS),
        ("ht\ntp://169.254.\t169.254/", CREDENTIALS),
    ] {
        assert_eq!(allowed(url).await, verdict, "{url:?}");
    }
}

#[tokio::test]
async fn what_a_name_resolves_to_is_judged() {
    for (reach, found) in [(Reach::Any, true), (Reach::Loopback, true), (Reach::Public, false)] {
        let resolver = GuardedResolver { rules: rules(reach), access: Access::Reach };
        let addresses = resolver.resolve("localhost".parse().unwrap()).await;
        assert_eq!(addresses.is_ok(), found, "{reach:?}");
    }
}

/// Goal: a name cannot lead to what is refused, even if it led elsewhere when the text was judged.
/// Method: the resolver as a connection would use it, for each way of judging.
#[tokio::test]
async fn a_name_is_judged_as_an_endpoint_when_it_is_connected_to() {
    let listener: SocketAddr = "127.0.0.1:8080".parse().unwrap();
    let name = || "localhost".parse().unwrap();
    let config = HttpConfig {
        deny: vec![Endpoint::Listener("[::]:8080".parse().unwrap())],
        allow: vec!["allowed.example:8080".parse().unwrap()],
        ..HttpConfig::with_reach(Reach::Internal)
    };
    let rules = Rules::new(&config);
    let url = |host: &str| Url::parse(&format!("http://{host}/")).unwrap();
    for (host, access) in [
        ("localhost:8080", Access::Port(8080)),
        ("localhost:8081", Access::Reach),
        ("localhost", Access::Reach),
        ("Allowed.Example.:8080", Access::Free),
        ("allowed.example:8081", Access::Reach),
        ("not-allowed.example:8080", Access::Port(8080)),
    ] {
        assert_eq!(rules.judge(&url(host)).await, Ok(access), "{host}");
    }
    let refusal = rules.judge(&url(&listener.to_string())).await.unwrap_err();
    assert!(refusal.starts_with("127.0.0.1:8080 may not be called: Baton itself"), "{refusal}");
    for (access, found) in
        [(Access::Port(8080), false), (Access::Port(8081), true), (Access::Free, true)]
    {
        let resolver = GuardedResolver { rules: rules.clone(), access };
        assert_eq!(resolver.resolve(name()).await.is_ok(), found, "{access:?}");
    }
}
