//! Drives the decider through golden histories: `histories/*.txt`.
//!
//! A history opens with comment lines that say the behaviour. Then blocks follow, parted by blank
//! lines: a command (with more lines where it takes JSON), `----`, and what came of it, one change a
//! line. In definitions `"ref": "a"` stands for reference name and name `a` of a SIMPLE step.
mod command;
mod definition;
mod file;
mod invariants;
mod journal;
mod line;
mod manual;
mod random;
mod seen;
mod world;

pub(crate) use command::COMMANDS;
pub(crate) use file::History;
pub(crate) use manual::{end_of, sections};
pub(crate) use seen::Seen;
use world::World;

/// Runs a history; answers it with what really came of its commands.
pub(crate) fn run(history: &History, seen: &mut Seen) -> History {
    let mut world = World::new(seen);
    let blocks = history.blocks.iter().map(|block| world.play(block)).collect();
    History { comment: history.comment.clone(), blocks }
}
