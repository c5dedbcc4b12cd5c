//! Records of every kind, each with few members and with all of them.
mod changes;
mod messages;
mod states;

pub(crate) use changes::changes;
pub(crate) use messages::messages;
pub(crate) use states::{execution, overviews, states};

use baton_common::{ExecutionId, Payload, Timestamp, Trace};
use indexmap::IndexMap;

pub(crate) const NOON: i64 = 1_795_000_000_000;

pub(crate) fn noon(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOON).plus_seconds(seconds)
}

pub(crate) fn id(n: u64) -> ExecutionId {
    ExecutionId::new(noon(0), n << 12)
}

pub(crate) fn json(text: &str) -> Payload {
    Payload::parse(text.to_owned()).unwrap()
}

fn trace() -> Option<Trace> {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    Trace::from_headers(parent, Some("vendor=x"))
}

fn domains() -> IndexMap<String, String> {
    IndexMap::from([("work".to_owned(), "eu".to_owned()), ("*".to_owned(), "us".to_owned())])
}

#[allow(clippy::unnecessary_wraps, reason = "what it fills is optional")]
fn own(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Two starts in a row.
pub(crate) fn lineage() -> baton_decider::state::Lineage {
    let names = vec!["first".into(), "second".into()];
    baton_decider::state::Lineage { generation: 2, width_bits: 3, names }
}
