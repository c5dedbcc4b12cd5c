//! What a slice leaves to the next one: steps, and the branches of wide forks.
use super::place::Place;
use super::{Json, Text, omit, payload, shared, text};
use crate::FormatError;
use baton_common::{Payload, WorkflowTask};
use baton_decider::state::{self, Execution};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// A step of the agenda.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum AgendaItem<'a> {
    Schedule {
        #[serde(borrow)]
        place: Place<'a>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        loop_task: Option<u32>,
    },
    Run(u32),
    AfterEnd(u32),
    Branches(u32),
    Quiesce {},
}

impl<'a> AgendaItem<'a> {
    pub(super) fn of(step: state::AgendaItem, execution: &'a Execution) -> Self {
        match step {
            state::AgendaItem::Schedule { place, loop_task } => {
                Self::Schedule { place: Place::of(place, "", execution), loop_task }
            }
            state::AgendaItem::Run(seq) => Self::Run(seq),
            state::AgendaItem::AfterEnd(seq) => Self::AfterEnd(seq),
            state::AgendaItem::Branches(fork) => Self::Branches(fork),
            state::AgendaItem::Quiesce => Self::Quiesce {},
        }
    }

    fn read(&self, execution: &Execution) -> Result<state::AgendaItem, FormatError> {
        Ok(match self {
            Self::Schedule { place, loop_task } => {
                let place = place.read("", execution)?;
                state::AgendaItem::Schedule { place, loop_task: *loop_task }
            }
            Self::Run(seq) => state::AgendaItem::Run(*seq),
            Self::AfterEnd(seq) => state::AgendaItem::AfterEnd(*seq),
            Self::Branches(fork) => state::AgendaItem::Branches(*fork),
            Self::Quiesce {} => state::AgendaItem::Quiesce,
        })
    }
}

pub(super) fn read_steps(
    steps: &[AgendaItem<'_>],
    execution: &Execution,
) -> Result<Vec<state::AgendaItem>, FormatError> {
    steps.iter().map(|step| step.read(execution)).collect()
}

/// The branches of a fork that comes in several slices. Their steps are listed once, since most differ
/// only in name and input.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Branches<'a> {
    fork: u32,
    steps: Vec<Payload>,
    #[serde(borrow)]
    list: Vec<Branch<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    joined: Vec<Text<'a>>,
}

/// Reference name, number of its step, input.
#[derive(Debug, Serialize, Deserialize)]
struct Branch<'a>(#[serde(borrow)] Text<'a>, usize, #[serde(borrow)] Json<'a>);

impl<'a> Branches<'a> {
    pub(super) fn of(
        fork: u32,
        branches: &'a [state::Branch],
        joined: impl Iterator<Item = &'a Arc<str>>,
    ) -> Self {
        let (mut steps, mut known) = (Vec::new(), HashMap::new());
        let branches = branches.iter().map(|branch| {
            let number = *known.entry(Arc::as_ptr(&branch.step)).or_insert_with(|| {
                steps.push(Payload::of(&*branch.step).unwrap_or_default());
                steps.len() - 1
            });
            Branch(text(&branch.reference), number, branch.input.raw())
        });
        let list = branches.collect();
        let joined = joined.map(|name| text(name)).collect();
        Self { fork, steps, list, joined }
    }

    pub(super) fn fork(&self) -> u32 {
        self.fork
    }

    #[expect(clippy::type_complexity, reason = "branches and names, as the change has them")]
    pub(super) fn read(self) -> Result<(Arc<[state::Branch]>, Vec<Arc<str>>), FormatError> {
        let read = |step: &Payload| baton_common::strict::from_str::<WorkflowTask>(step.get());
        let unreadable = |_| FormatError::corrupt("the step of a branch cannot be read");
        let steps: Result<Vec<_>, _> =
            self.steps.iter().map(|step| read(step).map(Arc::new)).collect();
        let steps = steps.map_err(unreadable)?;
        let missing = || FormatError::corrupt("a branch has a step that is not listed");
        let branch = |Branch(reference, number, input): Branch<'_>| {
            let step = steps.get(number).ok_or_else(missing)?.clone();
            Ok(state::Branch { reference: shared(reference), step, input: payload(input) })
        };
        let branches: Result<Vec<_>, FormatError> = self.list.into_iter().map(branch).collect();
        Ok((branches?.into(), self.joined.into_iter().map(shared).collect()))
    }
}

/// The starts since something last came from outside.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Lineage<'a> {
    #[serde(default, skip_serializing_if = "omit::zero")]
    generation: u32,
    #[serde(default, skip_serializing_if = "omit::zero")]
    width_bits: u32,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<Text<'a>>,
}

impl<'a> Lineage<'a> {
    /// `None` for one that begins with something from outside.
    pub(super) fn of(lineage: &'a state::Lineage) -> Option<Self> {
        let state::Lineage { generation, width_bits, names } = lineage;
        (!lineage.is_empty()).then(|| Self {
            generation: *generation,
            width_bits: *width_bits,
            names: names.iter().map(|name| text(name)).collect(),
        })
    }

    pub(super) fn read(&self) -> state::Lineage {
        let names = self.names.iter().map(|name| Arc::from(&**name)).collect();
        state::Lineage { generation: self.generation, width_bits: self.width_bits, names }
    }
}
