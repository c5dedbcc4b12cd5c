//! TLS to PostgreSQL as libpq means it: each mode against each kind of server.
use anyhow::{Context, Result};
use baton_store::{Store, StoreError};
use baton_store_postgres::{PostgresConfig, PostgresStore};
use baton_test_support::Postgres;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

type Authority = CertifiedIssuer<'static, KeyPair>;

/// Lets everybody in without TLS or with, as far as the user's name says.
const ADMISSION: &str = "local all all trust
host all postgres 127.0.0.1/32 trust
hostssl all known 127.0.0.1/32 cert
";

/// A server with TLS, and the files that its clients need.
struct Secured {
    server: Postgres,
    files: TempDir,
}

impl Secured {
    /// Its certificate names `localhost`, and only that.
    fn start() -> Result<Self> {
        let server = Postgres::start()?;
        let files = tempfile::tempdir()?;
        let (ours, strangers) = (authority("ours")?, authority("strangers")?);
        std::fs::write(files.path().join("ours.pem"), ours.pem())?;
        std::fs::write(files.path().join("strangers.pem"), strangers.pem())?;
        let data = server.data();
        issue(&ours, "localhost", &data.join("server.crt"), &data.join("server.key"))?;
        give(&data, &data.join("root.crt"), &ours.pem())?;
        std::fs::write(data.join("pg_hba.conf"), ADMISSION)?;
        for name in ["server.crt", "server.key"] {
            own(&data, &data.join(name))?;
        }
        for (name, authority) in [("known", &ours), ("unknown", &strangers)] {
            let file = |end: &str| files.path().join(format!("{name}.{end}"));
            issue(authority, "known", &file("crt"), &file("key"))?;
        }
        let socket = server.socket_directory().display().to_string().replace('/', "%2F");
        let url = format!("postgres://postgres@{socket}:{}/postgres", server.port());
        for command in [
            "create user known",
            "create database known owner known",
            "alter system set ssl_ca_file = 'root.crt'",
            "alter system set ssl = on",
            "select pg_reload_conf()",
        ] {
            server.sql(&url, command)?;
        }
        // The server reads its settings anew when it gets to it.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while server.sql(&url, "show ssl")? != "on" {
            anyhow::ensure!(std::time::Instant::now() < until, "the server has no TLS");
        }
        Ok(Self { server, files })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// A database of its own, called by this name of the host and with these parameters.
    fn url(&self, host: &str, parameters: &str) -> Result<String> {
        let url = self.server.database()?;
        Ok(format!("{}?{parameters}", url.replace("127.0.0.1", host)))
    }
}

fn authority(name: &str) -> Result<Authority> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn issue(authority: &Authority, name: &str, certificate: &Path, key: &Path) -> Result<()> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let pair = KeyPair::generate()?;
    std::fs::write(certificate, params.signed_by(&pair, authority)?.pem())?;
    std::fs::write(key, pair.serialize_pem())?;
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}

fn give(data: &Path, file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text)?;
    own(data, file)
}

/// Gives a file to the user whom the server runs as.
fn own(data: &Path, file: &Path) -> Result<()> {
    let owner = std::fs::metadata(data)?;
    Ok(chown(file, Some(owner.uid()), Some(owner.gid()))?)
}

/// How our connections to a database came about: "tls", "plain", or not at all.
async fn outcome(server: &Postgres, url: &str) -> Result<&'static str> {
    let (base, _) = url.split_once('?').unwrap_or((url, ""));
    match PostgresStore::migrate(url).await {
        Ok(_) => {}
        Err(StoreError::Unavailable(_)) => return Ok("refused"),
        Err(error) => return Err(error.into()),
    }
    let store = PostgresStore::connect(PostgresConfig::new(url)).await?;
    // The pools', the lane's and the one that listens.
    let _lane = store.open_lane().await?;
    store.now().await?;
    let sql = "select string_agg(distinct s.ssl::text, ',') from pg_stat_ssl s \
        join pg_stat_activity a using (pid) \
        where a.datname = current_database() and a.application_name = 'baton'";
    Ok(match &*server.sql(base, sql)? {
        "true" => "tls",
        "false" => "plain",
        other => panic!("some connections have TLS and some not: {other}"),
    })
}

/// Goal: each mode accepts and refuses what libpq's does. Method: all of them against a server with a
/// good certificate, one called by another name, one of an unknown authority, and one without TLS.
#[tokio::test]
async fn each_mode_proves_what_it_says() -> Result<()> {
    let secured = Secured::start()?;
    let plain = Postgres::shared()?;
    let (good, unknown) = (secured.file("ours.pem"), secured.file("strangers.pem"));
    let table = [
        ("disable", ["plain", "plain", "plain", "plain"]),
        ("prefer", ["tls", "tls", "plain", "plain"]),
        ("require", ["tls", "tls", "refused", "refused"]),
        ("verify-ca", ["tls", "tls", "refused", "refused"]),
        ("verify-full", ["tls", "refused", "refused", "refused"]),
    ];
    for (mode, expected) in table {
        let with = |root: &Path| format!("sslmode={mode}&sslrootcert={}", root.display());
        let urls = [
            secured.url("localhost", &with(&good))?,
            secured.url("127.0.0.1", &with(&good))?,
            secured.url("localhost", &with(&unknown))?,
            format!("{}?{}", plain.database()?, with(&good)),
        ];
        for (place, (url, expected)) in urls.iter().zip(expected).enumerate() {
            let server = if place == 3 { plain } else { &secured.server };
            assert_eq!(outcome(server, url).await?, expected, "{mode}, case {place}");
        }
    }
    Ok(())
}

/// Without the authority's certificate TLS proves nothing, and the modes that prove are refused.
#[tokio::test]
async fn without_an_authority_nothing_is_proven() -> Result<()> {
    let secured = Secured::start()?;
    for (parameters, expected) in [
        ("", "tls"),
        ("sslmode=prefer", "tls"),
        ("sslmode=require", "tls"),
        ("sslmode=disable", "plain"),
    ] {
        let url = secured.url("127.0.0.1", parameters)?;
        assert_eq!(outcome(&secured.server, &url).await?, expected, "{parameters}");
    }
    for mode in ["verify-ca", "verify-full", "allow", "sometimes"] {
        let url = secured.url("localhost", &format!("sslmode={mode}"))?;
        let refused = PostgresStore::connect(PostgresConfig::new(url)).await.err();
        let refused = refused.context("refused")?.to_string();
        let names = ["sslrootcert", "disable, prefer, require, verify-ca, verify-full"];
        assert!(names.iter().any(|name| refused.contains(name)), "{refused}");
    }
    Ok(())
}

/// A server that asks for a certificate lets in who has one of its authority's, and nobody else.
#[tokio::test]
async fn clients_show_their_certificates() -> Result<()> {
    let secured = Secured::start()?;
    let root = secured.file("ours.pem");
    let url = |certificate: Option<&str>| {
        let file = |name: &str, end: &str| secured.file(&format!("{name}.{end}"));
        let shown = certificate.map(|name| {
            let (certificate, key) = (file(name, "crt"), file(name, "key"));
            format!("&sslcert={}&sslkey={}", certificate.display(), key.display())
        });
        let port = secured.server.port();
        let root = root.display();
        let shown = shown.unwrap_or_default();
        format!(
            "postgres://known@localhost:{port}/known?sslmode=verify-full&sslrootcert={root}{shown}"
        )
    };
    assert!(PostgresStore::migrate(&url(Some("known"))).await.is_ok());
    for stranger in [None, Some("unknown")] {
        let refused = PostgresStore::migrate(&url(stranger)).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{stranger:?}: {refused:?}");
    }
    Ok(())
}
