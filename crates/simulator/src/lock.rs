//! Mutexes that a panic elsewhere does not spoil.
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a mutex holds, also after a panic elsewhere: a run that panics is over.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
