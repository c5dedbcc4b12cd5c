//! Why a step inside the engine did not work.
use crate::script::error::ScriptError;

/// A step inside the engine that did not work: an exception waits to be caught, or it is our own.
pub(super) enum Stop {
    Engine(rquickjs::Error),
    Limit(ScriptError),
}

impl From<rquickjs::Error> for Stop {
    fn from(error: rquickjs::Error) -> Self {
        Self::Engine(error)
    }
}
