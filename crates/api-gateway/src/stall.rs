//! A socket that gives up on a peer which neither reads nor writes.
//!
//! hyper bounds the wait for a request's head from the moment the connection is idle; that bound
//! has to be long, since clients keep connections open. This socket adds the short bounds: for a
//! head that has begun, and for an answer that is not taken.
use baton_common::limits::BODY_BYTES_MAX;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// Most bytes of the rest of a request that are read and thrown away after its answer, so that the
/// answer reaches a client that first sends all it has: two of the largest bodies.
const LINGER_BYTES_MAX: usize = 2 * BODY_BYTES_MAX;
/// Longest time for that: a body that is two thirds there over a line of 10 Mbit/s.
const LINGER_MAX: Duration = Duration::from_secs(10);
/// Bytes thrown away at a time.
const LINGER_PIECE_BYTES: usize = 16 * 1024;

/// What the connection and its socket tell each other.
#[derive(Clone, Default)]
pub(crate) struct Phase(Arc<Facts>);

#[derive(Default)]
struct Facts {
    /// The beginnings and ends of requests: odd while one is being answered.
    turns: AtomicU64,
    /// Whether a body was answered before it was read to its end.
    is_body_left: AtomicBool,
}

impl Phase {
    /// A request begins or ends.
    pub(crate) fn turn(&self) {
        self.0.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether no request has begun yet.
    pub(crate) fn is_first(&self) -> bool {
        self.now() == 0
    }

    /// A request's body, which tells when it is dropped before its end.
    pub(crate) fn watched(&self, body: Incoming) -> Watched {
        Watched { body, phase: self.clone(), is_over: false }
    }

    fn now(&self) -> u64 {
        self.0.turns.load(Ordering::Relaxed)
    }
}

/// A body that tells when it is dropped before its end.
pub(crate) struct Watched {
    body: Incoming,
    phase: Phase,
    /// Whether its end was seen; a chunked body does not tell before.
    is_over: bool,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.is_over = frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.is_over && !self.body.is_end_stream() {
            self.phase.0.is_body_left.store(true, Ordering::Relaxed);
        }
    }
}

/// A moment that is fixed when it is first waited for.
struct Patience {
    limit: Duration,
    until: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let limit = self.limit;
        let until = self.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        until.as_mut().poll(context).is_ready()
    }

    fn renew(&mut self) {
        self.until = None;
    }
}

/// A socket whose peer has to be done in time.
pub(crate) struct StallGuard {
    stream: TcpStream,
    phase: Phase,
    /// The phase in which the first bytes of a head came.
    head_begun: Option<u64>,
    head: Patience,
    write: Patience,
    linger: Patience,
    linger_bytes: usize,
    is_shut: bool,
}

impl StallGuard {
    /// Gives up after `head` for a head that has begun and after `write` for an answer not taken.
    pub(crate) fn new(stream: TcpStream, phase: Phase, head: Duration, write: Duration) -> Self {
        let patience = |limit| Patience { limit, until: None };
        Self {
            stream,
            phase,
            head_begun: None,
            head: patience(head),
            write: patience(write),
            linger: patience(LINGER_MAX),
            linger_bytes: LINGER_BYTES_MAX,
            is_shut: false,
        }
    }

    /// Whether the peer may still be sending what nobody will read. Closing the socket then makes
    /// the system reset the connection, and the peer may lose the answer.
    fn is_peer_sending(&self) -> bool {
        self.waits_for_a_head() || self.phase.0.is_body_left.load(Ordering::Relaxed)
    }

    /// Throws away what the peer sends until it closes, within limits.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut piece = [0; LINGER_PIECE_BYTES];
        while self.linger_bytes > 0 && !self.linger.is_over(context) {
            let mut buffer = ReadBuf::new(&mut piece);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.linger_bytes = self.linger_bytes.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(())
    }

    fn waits_for_a_head(&self) -> bool {
        let phase = self.phase.now();
        phase.is_multiple_of(2) && self.head_begun == Some(phase)
    }

    fn written<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.write.renew();
        } else if self.write.is_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        outcome
    }
}

impl AsyncRead for StallGuard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.head_begun = Some(self.phase.now());
        } else if outcome.is_pending() {
            if !self.waits_for_a_head() {
                self.head.renew();
            } else if self.head.is_over(context) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        outcome
    }
}

impl AsyncWrite for StallGuard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.written(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.is_shut = true;
        }
        if self.is_peer_sending() {
            ready!(self.poll_linger(context));
        }
        Poll::Ready(Ok(()))
    }
}
