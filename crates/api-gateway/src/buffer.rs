//! The memory of one request's body. Small bodies are in the allocator's; large ones have pages of
//! their own, which the system has back at once when the request is done.
use bytes::{Bytes, BytesMut};
use memmap2::MmapMut;
use std::io;

/// Bodies from this size on have pages of their own: the allocator keeps what it gets for a while.
const PAGES_FROM_BYTES: usize = 256 * 1024;

/// A body so far.
pub(crate) enum Buffer {
    /// In the allocator's memory.
    Small(BytesMut),
    /// In pages of its own, the first so many bytes of them.
    Large(MmapMut, usize),
}

impl Buffer {
    pub(crate) fn new() -> Self {
        Self::Small(BytesMut::new())
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Small(bytes) => bytes.len(),
            Self::Large(_, length) => *length,
        }
    }

    /// Adds a piece; `expected` is the size that the whole may have.
    ///
    /// # Errors
    /// The system's, when it has no more pages.
    pub(crate) fn push(&mut self, piece: &[u8], expected: usize) -> io::Result<()> {
        let length = self.len() + piece.len();
        match self {
            Self::Small(bytes) if length < PAGES_FROM_BYTES => bytes.extend_from_slice(piece),
            Self::Large(pages, filled) if length <= pages.len() => {
                pages[*filled..length].copy_from_slice(piece);
                *filled = length;
            }
            Self::Small(_) | Self::Large(..) => {
                let mut pages = MmapMut::map_anon(expected.max(2 * length))?;
                let filled = self.len();
                pages[..filled].copy_from_slice(self.filled());
                pages[filled..length].copy_from_slice(piece);
                *self = Self::Large(pages, length);
            }
        }
        Ok(())
    }

    fn filled(&self) -> &[u8] {
        match self {
            Self::Small(bytes) => bytes,
            Self::Large(pages, length) => &pages[..*length],
        }
    }

    /// The whole, without copying it.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Self::Small(bytes) => bytes.freeze(),
            Self::Large(pages, length) => Bytes::from_owner(pages).slice(..length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is expected, and wherever the pieces end, all bytes are there in their order.
    #[test]
    fn pieces_become_the_whole() {
        for expected in [0, 10, PAGES_FROM_BYTES, 4 * PAGES_FROM_BYTES] {
            for piece in [1_000, PAGES_FROM_BYTES - 1, PAGES_FROM_BYTES, PAGES_FROM_BYTES + 1] {
                let whole: Vec<u8> = (0..=250).cycle().take(3 * PAGES_FROM_BYTES).collect();
                let mut buffer = Buffer::new();
                for piece in whole.chunks(piece) {
                    buffer.push(piece, expected).unwrap();
                }
                assert_eq!(buffer.len(), whole.len());
                assert_eq!(buffer.into_bytes(), whole);
            }
        }
        assert!(Buffer::new().into_bytes().is_empty());
    }
}
