//! A response body that knows whether it was written.
//!
//! A task that was leased for a connection which has gone would be lost until its response timeout.
//! So the lease's receipt travels with the bytes: it is signed when the last piece has been taken
//! for writing, and dropped, which hands the tasks back, when the connection ends before.
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Bytes of one piece. The connection takes the next only when the piece before has left its
/// buffer, so an answer larger than the buffers is not signed for before it is nearly all sent.
const PIECE_BYTES: usize = 64 * 1024;

/// Bytes that call `delivered` once their end has been taken for writing; dropped earlier, they
/// drop the call uncalled.
pub struct DeliveryBody<F> {
    bytes: Bytes,
    delivered: Option<F>,
}

impl<F: FnOnce()> DeliveryBody<F> {
    /// A body of these bytes, which are not empty: a connection asks nothing of an empty body.
    pub fn new(bytes: Bytes, delivered: F) -> Self {
        Self { bytes, delivered: Some(delivered) }
    }
}

impl<F: FnOnce() + Unpin> Body for DeliveryBody<F> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece_bytes = self.bytes.len().min(PIECE_BYTES);
        let piece = self.bytes.split_to(piece_bytes);
        if self.bytes.is_empty()
            && let Some(delivered) = self.delivered.take()
        {
            delivered();
        }
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.delivered.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
