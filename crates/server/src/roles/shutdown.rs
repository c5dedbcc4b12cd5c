//! Requests to stop: Ctrl-C and SIGTERM.
use tokio::signal::unix::{SignalKind, signal};

/// Ends at the first SIGINT or SIGTERM. A second one ends the process at once, with exit code 130.
pub(crate) async fn requested() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::warn!("signals cannot be received: only SIGKILL stops this process");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("shutting down; press Ctrl-C again to stop immediately");
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(130);
    });
}
