//! Request bodies, read whole within one budget for all that are in flight in the process.
use crate::buffer::Buffer;
use crate::error::Refusal;
use axum::body::Body;
use baton_common::limits::BODY_BYTES_MAX;
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// Longest time a request's body may take: the largest body over a line of 5 Mbit/s.
const BODY_READ_MAX: Duration = Duration::from_mins(1);
/// Time for [`PROGRESS_BYTES`] of a body, or for its end.
const PROGRESS_MAX: Duration = Duration::from_secs(10);
/// What a body must bring in [`PROGRESS_MAX`]: 26 kbit/s, less than any line that is in use.
const PROGRESS_BYTES: usize = 32 * 1024;
/// Bodies up to this size may use the whole budget: starts and reports are small, and must get
/// through while somebody sends files.
const SMALL_BYTES_MAX: usize = 64 * 1024;
/// The part of the budget that only small bodies may use.
const SMALL_PART: usize = 8;

/// Bytes of bodies that may be in memory at a time.
pub(crate) struct Budget {
    bytes_max: usize,
    used: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, used: AtomicUsize::new(0) })
    }

    /// A request's share, which grows with its body and is given back when the request is done.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { budget: self.clone(), bytes: 0 }
    }
}

/// The bytes that one request holds of the budget.
pub(crate) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Share {
    fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let Budget { bytes_max, used } = &*self.budget;
        let is_small = self.bytes + bytes <= SMALL_BYTES_MAX;
        let limit = if is_small { *bytes_max } else { bytes_max - bytes_max / SMALL_PART };
        let more = |used: usize| Some(used + bytes).filter(|used| *used <= limit);
        let taken = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.map_err(|_| Refusal::TooManyBodies)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Reads a body whole, counting it in `share` as it arrives.
///
/// # Errors
/// [`Refusal::BodyTooLarge`], [`Refusal::BodyTooSlow`], [`Refusal::BodyBrokenOff`], and
/// [`Refusal::TooManyBodies`] when the budget is used up.
pub(crate) async fn read(body: Body, share: &mut Share) -> Result<Bytes, Refusal> {
    let announced = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
    let expected = announced.unwrap_or_default();
    let mut reader = Reader { body, share, whole: Buffer::new(), expected };
    let whole = async {
        while !reader.progress().await? {}
        Ok(())
    };
    timeout(BODY_READ_MAX, whole).await.map_err(|_| Refusal::BodyTooSlow)??;
    Ok(reader.whole.into_bytes())
}

struct Reader<'a> {
    body: Body,
    share: &'a mut Share,
    whole: Buffer,
    /// The size announced; 0 when there is none.
    expected: usize,
}

impl Reader<'_> {
    /// Reads a piece in the time that a piece may take; whether that was the end.
    async fn progress(&mut self) -> Result<bool, Refusal> {
        timeout(PROGRESS_MAX, self.piece()).await.map_err(|_| Refusal::BodyTooSlow)?
    }

    async fn piece(&mut self) -> Result<bool, Refusal> {
        let goal = self.whole.len() + PROGRESS_BYTES;
        while self.whole.len() < goal {
            let Some(frame) = self.body.frame().await else { return Ok(true) };
            let frame = frame.map_err(|_| Refusal::BodyBrokenOff)?;
            let Ok(data) = frame.into_data() else { continue };
            if self.whole.len() + data.len() > BODY_BYTES_MAX {
                return Err(Refusal::BodyTooLarge(BODY_BYTES_MAX));
            }
            self.share.grow(data.len())?;
            let added = self.whole.push(&data, self.expected);
            added.map_err(|_| Refusal::TooManyBodies)?;
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_leave_a_part_to_small_ones() {
        let budget = Budget::new(8 * SMALL_BYTES_MAX);
        let (mut large, mut small) = (budget.share(), budget.share());
        assert_eq!(large.grow(7 * SMALL_BYTES_MAX), Ok(()));
        assert_eq!(large.grow(1), Err(Refusal::TooManyBodies));
        assert_eq!(small.grow(SMALL_BYTES_MAX), Ok(()));
        assert_eq!(budget.share().grow(1), Err(Refusal::TooManyBodies));
        drop(large);
        assert_eq!(budget.share().grow(6 * SMALL_BYTES_MAX), Ok(()));
        drop(small);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}
