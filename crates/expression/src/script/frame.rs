//! What goes between a pool and its children: JSON behind its length, four bytes, big-endian.
use super::{Script, ScriptError, ScriptLimits};
use baton_common::payload::Payload;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// Largest frame, bytes: the largest input or result with room for its envelope.
pub(super) const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A script to run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) language: super::Language,
    pub(super) source: String,
    pub(super) input: Payload,
    pub(super) limits: ScriptLimits,
}

impl Request {
    /// The frame that asks to run `script`.
    pub(super) fn frame(script: &Script, limits: &ScriptLimits) -> io::Result<Vec<u8>> {
        let Script { language, source, input } = script.clone();
        to_frame(&Self { language, source, input, limits: *limits })
    }
}

/// What a child says of a script: that it has begun, and then how it ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Begun,
    Result(Payload),
    Error(ScriptError),
}

/// `message` as a frame.
pub(super) fn to_frame(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - 4;
    let length = u32::try_from(length).ok().filter(|_| length <= FRAME_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::other("the message is too large"))?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

/// Writes a frame and sends it on its way.
pub(super) fn send(output: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    output.write_all(frame)?;
    output.flush()
}

/// The next frame's content, of at most `bytes_max`; `None` when the other side has ended.
pub(super) fn receive(input: &mut impl Read, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > bytes_max.min(FRAME_BYTES_MAX) {
        return Err(io::Error::other("the message is too large"));
    }
    let mut content = vec![0; length];
    input.read_exact(&mut content)?;
    Ok(Some(content))
}
