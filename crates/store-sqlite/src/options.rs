//! What an operator chooses of a store in one file.

/// What a commit survives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// The loss of power: each group of commits is flushed to disk before it is answered.
    Full,
    /// The death of the process. After a loss of power the last commits may be missing, although
    /// they were answered.
    Normal,
}

/// What an operator chooses.
#[derive(Clone, Debug)]
pub struct Options {
    /// What a commit survives.
    pub durability: Durability,
}
