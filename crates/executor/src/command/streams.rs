//! What goes into a command and what comes out of it.
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

/// How much of the end of stderr a reason shows, bytes.
const STDERR_TAIL_BYTES: usize = 400;
/// Bytes read from a pipe at once.
const READ_BYTES: usize = 8 * 1024;

/// What a command has printed so far.
#[derive(Debug, Default)]
pub(super) struct Captured {
    /// All of stdout.
    pub(super) stdout: Vec<u8>,
    /// The end of stderr.
    pub(super) stderr_tail: Vec<u8>,
}

/// The pipes of a command.
#[derive(Debug)]
pub(super) struct Streams {
    /// Taken when it is written to, and closed then.
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: ChildStderr,
}

impl Streams {
    /// Takes the pipes of a child that was started with all three.
    pub(super) fn take(child: &mut Child) -> Option<Self> {
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take()?);
        Some(Self { stdin, stdout, stderr: child.stderr.take()? })
    }

    /// Writes `input`, then reads until nobody holds stdout and stderr any more. May be dropped
    /// while it waits: what was read until then is in `captured`. The pipes stay open until `self` is
    /// dropped: closing them would kill a program that still prints before its descendants are found.
    ///
    /// # Errors
    /// More than `stdout_bytes_max` bytes on stdout, or what a pipe gave.
    pub(super) async fn exchange(
        &mut self,
        input: &str,
        stdout_bytes_max: usize,
        captured: &mut Captured,
    ) -> io::Result<()> {
        let stdin = self.stdin.take();
        let write = async move {
            // A program that does not read its input is no fault.
            if let Some(mut stdin) = stdin {
                drop(stdin.write_all(input.as_bytes()).await);
            }
            Ok(())
        };
        let stdout = read_within(&mut self.stdout, stdout_bytes_max, &mut captured.stdout);
        let stderr = read_tail(&mut self.stderr, &mut captured.stderr_tail);
        tokio::try_join!(write, stdout, stderr).map(drop)
    }
}

async fn read_within(
    mut from: impl AsyncRead + Unpin,
    limit: usize,
    all: &mut Vec<u8>,
) -> io::Result<()> {
    let mut part = vec![0; READ_BYTES];
    loop {
        let length = from.read(&mut part).await?;
        if length == 0 {
            return Ok(());
        }
        if all.len() + length > limit {
            return Err(io::Error::other(format!("stdout is larger than {limit} bytes")));
        }
        all.extend_from_slice(&part[..length]);
    }
}

async fn read_tail(mut from: impl AsyncRead + Unpin, end: &mut Vec<u8>) -> io::Result<()> {
    let mut part = vec![0; READ_BYTES];
    loop {
        let length = from.read(&mut part).await?;
        if length == 0 {
            return Ok(());
        }
        end.extend_from_slice(&part[..length]);
        let surplus = end.len().saturating_sub(STDERR_TAIL_BYTES);
        end.drain(..surplus);
    }
}
