//! The one place that picks the cryptography behind TLS.
use std::sync::Once;

static INSTALLED: Once = Once::new();

/// Makes ring the process's provider, unless the process has chosen one already.
///
/// Every reqwest client of this product calls this first: reqwest is built without a provider of
/// its own and would panic.
pub fn install_provider() {
    INSTALLED.call_once(|| {
        // An error means that the embedding program came first, and its choice stands.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}
