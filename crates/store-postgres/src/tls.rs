//! TLS to PostgreSQL, spelled in the URL as libpq spells it: `sslmode`, `sslrootcert`, `sslcert` and
//! `sslkey`. Files are named there; none is looked for in a home directory.
//!
//! **Source**: PostgreSQL's documentation, chapter 34.19, "SSL Support".
use percent_encoding::percent_decode_str;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::sync::Arc;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What `sslrootcert` says for the authorities that the operating system trusts.
const SYSTEM: &str = "system";

/// How much a connection's other end must prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Never TLS.
    Disable,
    /// TLS if the server has it, and nothing proven; else none.
    Prefer,
    /// TLS, and nothing proven.
    Require,
    /// TLS with a certificate of an authority that is trusted.
    VerifyCa,
    /// And in the name of the host that was called.
    VerifyFull,
}

impl Mode {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Disable, "disable"),
        (Self::Prefer, "prefer"),
        (Self::Require, "require"),
        (Self::VerifyCa, "verify-ca"),
        (Self::VerifyFull, "verify-full"),
    ];

    fn of(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|(_, name)| *name == text);
        known.map(|(mode, _)| mode).ok_or_else(|| {
            let names = Self::ALL.map(|(_, name)| name).join(", ");
            format!("sslmode is `{text}`, which is none of {names}")
        })
    }

    /// What the driver must do before the handshake.
    pub(crate) fn ssl_mode(self) -> SslMode {
        match self {
            Self::Disable => SslMode::Disable,
            Self::Prefer => SslMode::Prefer,
            Self::Require | Self::VerifyCa | Self::VerifyFull => SslMode::Require,
        }
    }
}

/// The TLS parameters of a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    mode: Option<Mode>,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Tls {
    /// Cuts our parameters out of a URL; what is left is for the driver.
    pub(crate) fn cut(url: &str) -> Result<(Self, String), String> {
        let mut tls = Self::default();
        let Some((base, query)) = url.split_once('?') else { return Ok((tls, url.to_owned())) };
        let mut rest = Vec::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = || percent_decode_str(value).decode_utf8_lossy().into_owned();
            match name {
                "sslmode" => tls.mode = Some(Mode::of(&decoded())?),
                "sslrootcert" => tls.root = Some(decoded()),
                "sslcert" => tls.certificate = Some(decoded()),
                "sslkey" => tls.key = Some(decoded()),
                _ => rest.push(pair),
            }
        }
        let mark = if rest.is_empty() { "" } else { "?" };
        Ok((tls, format!("{base}{mark}{}", rest.join("&"))))
    }

    /// As libpq has it: `prefer`, and `verify-full` with the system's authorities.
    pub(crate) fn mode(&self) -> Mode {
        let is_system = self.root.as_deref() == Some(SYSTEM);
        self.mode.unwrap_or(if is_system { Mode::VerifyFull } else { Mode::Prefer })
    }

    /// Reads the files, and makes of them what opens connections.
    pub(crate) fn connect(&self) -> Result<MakeRustlsConnect, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(&provider)?);
        let config = match (&self.certificate, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => builder
                .with_client_auth_cert(certificates("sslcert", certificate)?, private_key(key)?)
                .map_err(|error| format!("sslcert and sslkey do not belong together: {error}"))?,
            (Some(_), None) => return Err("sslcert needs sslkey, the file of its key".into()),
            (None, Some(_)) => {
                return Err("sslkey needs sslcert, the file of its certificate".into());
            }
        };
        Ok(MakeRustlsConnect::new(config))
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<Verifier>, String> {
        let mode = self.mode();
        let Some(root) = self.root.as_deref() else {
            if matches!(mode, Mode::VerifyCa | Mode::VerifyFull) {
                let what = "needs sslrootcert, the file of the authority's certificate";
                let name = if mode == Mode::VerifyCa { "verify-ca" } else { "verify-full" };
                return Err(format!("sslmode={name} {what}, or sslrootcert={SYSTEM}"));
            }
            return Ok(Verifier::new(provider, None, false));
        };
        if root == SYSTEM && mode != Mode::VerifyFull {
            return Err(format!("sslrootcert={SYSTEM} needs sslmode=verify-full"));
        }
        let roots = Arc::new(if root == SYSTEM { system_roots()? } else { roots_of(root)? });
        let chain = WebPkiServerVerifier::builder_with_provider(roots, provider.clone());
        let chain = chain.build().map_err(|error| format!("sslrootcert: {error}"))?;
        Ok(Verifier::new(provider, Some(chain), mode == Mode::VerifyFull))
    }
}

fn roots_of(file: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("sslrootcert", file)? {
        roots.add(certificate).map_err(|error| format!("sslrootcert, {file}: {error}"))?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(format!("sslrootcert={SYSTEM}: the system trusts no authority"));
    }
    Ok(roots)
}

fn certificates(parameter: &str, file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| format!("{parameter}, {file}: {error}"))?;
    if certificates.is_empty() {
        return Err(format!("{parameter}, {file}: there is no certificate in it"));
    }
    Ok(certificates)
}

fn private_key(file: &str) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(file)
        .map_err(|error| format!("sslkey, {file}: {error} (a key with a password is not read)"))
}

/// Proves as much of the server's certificate as the mode demands.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// Who checks the chain; `None` = nobody.
    chain: Option<Arc<WebPkiServerVerifier>>,
    by_name: bool,
}

impl Verifier {
    fn new(
        provider: &Arc<CryptoProvider>,
        chain: Option<Arc<WebPkiServerVerifier>>,
        by_name: bool,
    ) -> Arc<Self> {
        Arc::new(Self { provider: provider.clone(), chain, by_name })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        let verified =
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is looked at last, so the chain has been found good.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.by_name => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Our parameters leave the URL, the driver's stay as they were.
    #[test]
    fn parameters_are_cut_out_of_the_url() {
        let url = "postgres://u:p@h/d?sslmode=verify-ca&connect_timeout=3&sslrootcert=%2Fa%20b.pem";
        let (tls, rest) = Tls::cut(url).unwrap();
        assert_eq!((tls.mode(), tls.root.as_deref()), (Mode::VerifyCa, Some("/a b.pem")));
        assert_eq!(rest, "postgres://u:p@h/d?connect_timeout=3");
        let (tls, rest) = Tls::cut("postgres://h/d?sslmode=disable").unwrap();
        assert_eq!((tls.mode(), &*rest), (Mode::Disable, "postgres://h/d"));
        assert_eq!(Tls::cut("postgres://h/d").unwrap().0.mode(), Mode::Prefer);
        let system = Tls::cut("postgres://h/d?sslrootcert=system").unwrap().0;
        assert_eq!(system.mode(), Mode::VerifyFull);
    }

    /// What cannot be meant is refused before any connection is opened, with what can.
    #[test]
    fn impossible_parameters_are_refused() {
        for mode in ["", "allow", "verify_full", "VERIFY-FULL", "on"] {
            let refused = Tls::cut(&format!("postgres://h/d?sslmode={mode}")).unwrap_err();
            assert!(refused.ends_with("disable, prefer, require, verify-ca, verify-full"));
        }
        let refused = |query: &str| {
            let (tls, _) = Tls::cut(&format!("postgres://h/d?{query}")).unwrap();
            tls.connect().err().unwrap_or_default()
        };
        assert!(refused("sslmode=verify-full").contains("needs sslrootcert"));
        assert!(refused("sslmode=verify-ca").contains("needs sslrootcert"));
        assert!(refused("sslmode=require&sslrootcert=system").contains("verify-full"));
        assert!(refused("sslrootcert=/nowhere.pem&sslmode=require").contains("/nowhere.pem"));
        assert!(refused("sslcert=a.pem").contains("needs sslkey"));
        assert!(refused("sslkey=a.pem").contains("needs sslcert"));
        assert_eq!(refused("sslmode=require"), "");
    }
}
