//! A socket that gives up on a peer which neither reads nor writes.
//!
//! hyper bounds the wait for a request's head from the moment the connection is idle; that bound
//! has to be long, since clients keep connections open. This socket adds the short bounds: for a
//! head that has begun, and for an answer that is not taken.
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// Counts the beginnings and ends of a connection's requests: odd while one is being answered.
#[derive(Clone, Default)]
pub(crate) struct Phase(Arc<AtomicU64>);

impl Phase {
    /// A request begins or ends.
    pub(crate) fn turn(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
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
}

impl StallGuard {
    /// Gives up after `head` for a head that has begun and after `write` for an answer not taken.
    pub(crate) fn new(stream: TcpStream, phase: Phase, head: Duration, write: Duration) -> Self {
        let patience = |limit| Patience { limit, until: None };
        let (head, write) = (patience(head), patience(write));
        Self { stream, phase, head_begun: None, head, write }
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
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
