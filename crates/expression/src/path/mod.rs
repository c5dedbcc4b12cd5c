//! Paths into JSON, as Conductor's `${…}` tokens spell them: Jayway JsonPath 2.4, whose leading
//! `$.` may be left out.
//!
//! A path that can name one value at most is *definite* and reads as that value or null.
//! Any other (`[*]`, `..`, a filter, a slice, several indexes) reads as a list.
mod compare;
mod cursor;
mod evaluate;
mod function;
mod literal;
mod parse;
mod segment;
mod source;

pub(crate) use evaluate::{Shape, read, read_document};
pub(crate) use parse::Unreadable;
pub(crate) use segment::Path;
