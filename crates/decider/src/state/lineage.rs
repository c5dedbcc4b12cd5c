//! How far an execution is from the last thing that came from outside.
//!
//! A definition that starts itself, by SUB_WORKFLOW, START_WORKFLOW or as its own failure workflow,
//! would start executions for ever. So each start that nothing from outside stands behind (no worker,
//! no timer, no person, no caller) counts, and the count has a limit. An execution that waited for
//! the outside before it starts another one passes on a count of zero: it may live for ever.
use baton_common::limits::{GENERATIONS_MAX, LINEAGE_WIDTH_BITS_MAX};
use std::fmt::Write;
use std::sync::Arc;

/// What one more start of a definition by itself costs for each doubling of its number, in
/// generations: two children each would else be 2^64 executions.
const SIBLINGS_COST: u32 = 16;
/// Names of a chain that are shown at each of its ends.
const SHOWN_MAX: usize = 3;

/// The starts since something last came from outside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lineage {
    /// How many in a row; siblings of the same definition count for more than one.
    pub generation: u32,
    /// Doublings of the number of executions on the way.
    pub width_bits: u32,
    /// The definitions that started each other, oldest first.
    pub names: Vec<Arc<str>>,
}

impl Lineage {
    /// Whether it starts with something from outside.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The lineage of an execution of `name` that one of `starter` asks for, as one of `siblings`.
    pub(crate) fn of_child(&self, starter: &Arc<str>, name: &str, siblings: u32) -> Self {
        let mut names = self.names.clone();
        names.push(starter.clone());
        let bits = siblings.max(1).next_power_of_two().ilog2();
        let is_recursive = names.iter().any(|known| &**known == name);
        let siblings_cost = if is_recursive { SIBLINGS_COST * bits } else { 0 };
        Self {
            generation: self.generation + 1 + siblings_cost,
            width_bits: self.width_bits + bits,
            names,
        }
    }

    /// Why an execution of this lineage is not started, if it is not.
    pub(crate) fn fault(&self, name: &str) -> Option<String> {
        let (what, value, limit) = if self.generation > GENERATIONS_MAX {
            ("generations", self.generation, GENERATIONS_MAX)
        } else if self.width_bits > LINEAGE_WIDTH_BITS_MAX {
            ("doublings of their number", self.width_bits, LINEAGE_WIDTH_BITS_MAX)
        } else {
            return None;
        };
        Some(format!(
            "Workflow {name} is not started: nothing from outside (a worker, a timer, a person) stands \
             between it and {} starts before it, {value} {what} where {limit} are allowed: {}",
            self.names.len(),
            self.chain(name)
        ))
    }

    fn chain(&self, name: &str) -> String {
        let mut text = String::new();
        let hidden = self.names.len().saturating_sub(2 * SHOWN_MAX);
        for (index, step) in self.names.iter().enumerate() {
            if hidden == 0 || index < SHOWN_MAX || index >= SHOWN_MAX + hidden {
                let _ = write!(text, "{step} → ");
            } else if index == SHOWN_MAX {
                let _ = write!(text, "({hidden} more) → ");
            }
        }
        text + name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many executions there are when each of `width` starts as many, until the limit.
    fn count(lineage: &Lineage, width: u32, is_same: bool) -> u64 {
        let depth = lineage.names.len();
        let (own, next) = if is_same {
            ("w".to_owned(), "w".to_owned())
        } else {
            (format!("w{depth}"), format!("w{}", depth + 1))
        };
        let child = lineage.of_child(&own.into(), &next, width);
        if child.fault(&next).is_some() {
            return 1;
        }
        1 + u64::from(width) * count(&child, width, is_same)
    }

    #[test]
    fn a_chain_ends_after_64_starts() {
        assert_eq!(count(&Lineage::default(), 1, true), 65);
        assert_eq!(count(&Lineage::default(), 1, false), 65);
    }

    #[test]
    fn a_definition_with_two_children_of_itself_ends_soon() {
        assert_eq!(count(&Lineage::default(), 2, true), 15);
        assert_eq!(count(&Lineage::default(), 3, true), 4);
    }

    #[test]
    fn wide_forks_of_other_definitions_are_allowed() {
        let fork = Lineage::default().of_child(&"parent".into(), "child", 100_000);
        assert_eq!(fork.fault("child"), None);
        let inner = fork.of_child(&"child".into(), "grandchild", 8);
        assert_eq!(inner.fault("grandchild"), None);
        assert!(inner.of_child(&"grandchild".into(), "another", 2).fault("another").is_some());
    }

    #[test]
    fn the_reason_shows_the_chain() {
        let mut lineage = Lineage::default();
        for _ in 0..65 {
            lineage = lineage.of_child(&"pj".into(), "pj", 1);
        }
        let reason = lineage.fault("pj").unwrap();
        assert!(reason.contains("65 generations where 64 are allowed"), "{reason}");
        assert!(reason.ends_with("pj → pj → pj → (59 more) → pj → pj → pj → pj"), "{reason}");
    }
}
