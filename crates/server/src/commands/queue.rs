//! `baton queue`: what waits, and what keeps it waiting.
use super::client;
use super::moment::moment;
use crate::config::Config;
use crate::failure::Failure;
use crate::output::Output;
use baton_common::api::{LimitUse, QueueState};

/// Lists queues that have ready tasks or a limit in use.
///
/// # Errors
/// Those of the request.
pub(crate) async fn list(config: &Config, output: Output) -> Result<(), Failure> {
    let states = client(config)?.queue_states().await?;
    let rows = states.iter().flat_map(rows).collect();
    let headings =
        ["QUEUE", "READY", "OLDEST READY (UTC)", "LIMITED BY", "IN USE", "RATE", "NEXT (UTC)"];
    output.rows(&headings, rows, &states)
}

/// A row for each limit of a queue; one for a queue without.
fn rows(state: &QueueState) -> Vec<Vec<String>> {
    let oldest = state.oldest_ready_time.map(moment).unwrap_or_default();
    let head = [state.queue.clone(), state.ready.to_string(), oldest];
    if state.limits.is_empty() {
        return vec![[head.to_vec(), vec![String::new(); 4]].concat()];
    }
    let row = |limit: &LimitUse| [head.to_vec(), cells(limit).to_vec()].concat();
    state.limits.iter().map(row).collect()
}

fn cells(limit: &LimitUse) -> [String; 4] {
    let in_use = limit.concurrent.map(|most| format!("{} of {most}", limit.in_use));
    let rate = limit.rate.zip(limit.rate_seconds);
    let rate = rate.map(|(rate, seconds)| format!("{rate} in {seconds} s"));
    [
        limit.name.to_string(),
        in_use.unwrap_or_default(),
        rate.unwrap_or_default(),
        limit.next_time.map(moment).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_a_row() {
        let free = QueueState { queue: "free".into(), ready: 2, ..QueueState::default() };
        assert_eq!(rows(&free), [["free", "2", "", "", "", "", ""]]);
        let press = LimitUse {
            name: "press".into(),
            concurrent: Some(2),
            in_use: 1,
            ..LimitUse::default()
        };
        let mail = LimitUse {
            name: "mail".into(),
            rate: Some(3),
            rate_seconds: Some(60),
            ..LimitUse::default()
        };
        let limited = QueueState { limits: vec![press, mail], ..free };
        let expected = [
            ["free", "2", "", "press", "1 of 2", "", ""],
            ["free", "2", "", "mail", "", "3 in 60 s", ""],
        ];
        assert_eq!(rows(&limited), expected);
    }
}
