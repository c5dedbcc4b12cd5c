//! The processes beside a command, which are made of the executor's own program: a launcher that
//! puts the limits in force and becomes the command, and a guard that outlives the executor.
use super::guarding;
use super::limits::ProcessLimits;
use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// The first argument of a launcher.
const LAUNCH: &str = "launch";
/// The first argument of a guard.
const GUARD: &str = "guard";

/// How to start a program that calls [`serve_helper`] with its remaining arguments.
#[derive(Clone, Debug)]
pub struct Helper {
    /// The program's path.
    pub program: PathBuf,
    /// Its arguments before those of the helper.
    pub arguments: Vec<OsString>,
}

impl Helper {
    /// A process that becomes `program` within `limits`. The caller adds the program's arguments.
    pub(super) fn launcher(&self, limits: ProcessLimits, program: &std::path::Path) -> Command {
        let mut command = self.command(LAUNCH);
        command.arg(limits.to_argument()).arg(program);
        command
    }

    /// A process that kills the groups it was told of once its standard input ends.
    pub(super) fn guard(&self, grace_ms: u128) -> Command {
        let mut command = self.command(GUARD);
        command.arg(grace_ms.to_string());
        command
    }

    fn command(&self, role: &str) -> Command {
        let mut command = Command::new(&self.program);
        // A group of its own: what a terminal or a script signals is the executor's business.
        command.args(&self.arguments).arg(role).env_clear().process_group(0);
        command
    }
}

/// Does what a helper's arguments say: becomes a command, or guards commands until the executor has
/// ended. The process must have no other purpose.
///
/// # Errors
/// Why the command cannot be started, or what is wrong with the arguments.
pub fn serve_helper(arguments: impl IntoIterator<Item = OsString>) -> io::Result<()> {
    let mut arguments = arguments.into_iter();
    let role = arguments.next();
    match role.as_deref().and_then(|role| role.to_str()) {
        Some(LAUNCH) => launch(arguments).map(|never| match never {}),
        Some(GUARD) => {
            let grace = arguments.next().and_then(|text| text.to_str()?.parse().ok());
            let grace = grace.ok_or_else(|| invalid("the guard needs a number of milliseconds"))?;
            guarding::serve(io::stdin().lock(), std::time::Duration::from_millis(grace))
        }
        Some(_) | None => Err(invalid("a helper is a launcher or a guard")),
    }
}

fn launch(mut arguments: impl Iterator<Item = OsString>) -> io::Result<Infallible> {
    let limits = arguments.next().unwrap_or_default();
    let limits: ProcessLimits =
        limits.to_string_lossy().parse().map_err(|error: String| invalid(&error))?;
    let program = arguments.next().ok_or_else(|| invalid("the launcher needs a program"))?;
    let shown = program.to_string_lossy().into_owned();
    let mut command = Command::new(program);
    command.args(arguments);
    limits.put_on_this_process()?;
    let error = command.exec();
    Err(io::Error::new(error.kind(), format!("cannot start {shown}: {error}")))
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message.to_owned())
}
