//! What a panic of the code under test said. Tokio catches it, so the run goes on without the engine.
use std::cell::RefCell;
use std::sync::Once;

static HOOK: Once = Once::new();

std::thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
    static IS_KEPT: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Keeps what panics of this thread say from now on, instead of printing it.
pub(crate) fn keep() {
    IS_KEPT.set(true);
    LAST.take();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if IS_KEPT.get() && tokio::task::try_id().is_some() {
                LAST.set(Some(panic.to_string()));
            } else {
                before(panic);
            }
        }));
    });
}

/// What the last panic of this thread said.
pub(crate) fn last() -> Option<String> {
    LAST.take()
}
