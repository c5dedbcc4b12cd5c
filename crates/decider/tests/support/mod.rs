//! Drives the decider through golden histories: `histories/*.txt`.
//!
//! A history opens with comment lines that say the behaviour. Then blocks follow, parted by blank
//! lines: a command (with more lines where it takes JSON), `----`, and what came of it, one change a
//! line. In definitions `"ref": "a"` stands for reference name and name `a` of a SIMPLE step.
mod command;
mod file;
mod line;
mod world;

pub use command::COMMANDS;
pub use file::History;
pub use world::{Seen, World};

/// Runs a history; answers it with what really came of its commands.
pub fn run(history: &History, seen: &mut Seen) -> History {
    let mut world = World::new(seen);
    let blocks = history.blocks.iter().map(|block| world.play(block)).collect();
    History { comment: history.comment.clone(), blocks }
}
