//! Starts executions of hostile definitions at a steady, small rate, and tells how they ended.
use crate::aside::Aside;
use crate::http::{Connection, Target, refusal};
use crate::parts::AttackEnds;
use crate::plan::Hostile;
use anyhow::Context;
use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// How long a start may stay unanswered.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long hostile executions may need to end once the run is over.
const END_WITHIN: Duration = Duration::from_mins(1);
/// Pause before open ones are counted again.
const PAUSE: Duration = Duration::from_millis(500);
/// Ids in one request that terminates.
const IDS_MAX: usize = 1_000;
/// Executions in one status whose reasons are read.
const REASONS_READ: usize = 100;
/// Different reasons that are kept of one attack.
const REASONS_KEPT: usize = 5;
/// Characters of a reason that are kept.
const REASON_CHARS_KEPT: usize = 300;
/// Statuses of open executions.
const OPEN: [&str; 2] = ["RUNNING", "PAUSED"];
/// Statuses of those that ended otherwise than well.
const ENDED_BADLY: [&str; 3] = ["FAILED", "TERMINATED", "TIMED_OUT"];

/// What the attacks did.
#[derive(Debug)]
pub(crate) struct Attacked {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) attacks: Vec<AttackEnds>,
    made: Vec<Made>,
}

/// What one attack left on the server.
#[derive(Debug)]
struct Made {
    workflows: Vec<String>,
    ids: Vec<String>,
}

/// What is read of a search's answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    total_hits: u64,
    results: Vec<Summary>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    reason_for_incompletion: Option<String>,
}

/// Prepares the attacks: they come after `part` and last as long, each with a start every so often.
pub(crate) fn prepare(
    target: &Target,
    attacks: Vec<Hostile>,
    (part, every): (Duration, Duration),
) -> anyhow::Result<Aside<Attacked>> {
    let target = target.clone();
    Aside::prepare("hostile", async move || {
        tokio::time::sleep(part).await;
        let began = Instant::now();
        let ended = began + part;
        let mut starting = JoinSet::new();
        for hostile in attacks {
            let connection = Connection::new(&target);
            starting.spawn_local(attack(hostile, connection, (every, ended)));
        }
        let mut done = starting.join_all().await;
        done.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        let (attacks, made) = done.into_iter().unzip();
        Ok(Attacked { began, ended, attacks, made })
    })
}

async fn attack(
    hostile: Hostile,
    mut connection: Connection,
    (every, until): (Duration, Instant),
) -> (AttackEnds, Made) {
    let workflows = hostile.workflows();
    let mut ends = AttackEnds { name: hostile.name, ..AttackEnds::default() };
    let mut made = Made { workflows, ids: Vec::new() };
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if Instant::now() >= until {
            return (ends, made);
        }
        let call = connection.call(Method::POST, "/workflow", hostile.start.clone());
        match tokio::time::timeout(ANSWER_WITHIN, call).await {
            Ok(Ok(id)) => {
                ends.started += 1;
                made.ids.push(String::from_utf8_lossy(&id).trim_matches('"').to_owned());
            }
            Ok(Err(error)) => {
                let is_refused = refusal(&error)
                    .is_some_and(|refusal| refusal.asks_to_wait() || refusal.is_of_request());
                if is_refused {
                    ends.refused += 1;
                } else {
                    ends.failed += 1;
                }
                note(&mut ends.reasons, &format!("{error:#}"));
            }
            Err(_) => {
                ends.failed += 1;
                note(&mut ends.reasons, "a start was not answered");
                connection = connection.anew();
            }
        }
    }
}

impl Attacked {
    /// Waits until all that came of the attacks since `since` (epoch, ms) has ended, or time is up, and
    /// reads how. What is still open is terminated then.
    pub(crate) async fn read_ends(
        &mut self,
        connection: &mut Connection,
        since: i64,
    ) -> anyhow::Result<()> {
        let give_up_at = Instant::now() + END_WITHIN;
        for (ends, made) in self.attacks.iter_mut().zip(&self.made) {
            let mut search = Search { connection, since };
            loop {
                ends.open = search.count(&made.workflows, &OPEN).await?;
                if ends.open == 0 || Instant::now() > give_up_at {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            search.read(ends, &made.workflows).await?;
        }
        let left = self.attacks.iter().zip(&self.made).filter(|(ends, _)| ends.open > 0);
        for ids in left.flat_map(|(_, made)| made.ids.chunks(IDS_MAX)) {
            let ids = Bytes::from(serde_json::to_vec(ids)?);
            connection.call(Method::POST, "/workflow/bulk/terminate", ids).await?;
        }
        Ok(())
    }
}

/// Asks for the executions of this run.
struct Search<'a> {
    connection: &'a mut Connection,
    since: i64,
}

impl Search<'_> {
    async fn read(&mut self, ends: &mut AttackEnds, workflows: &[String]) -> anyhow::Result<()> {
        for status in ["COMPLETED"].iter().chain(&OPEN).chain(&ENDED_BADLY) {
            let count = self.count(workflows, &[status]).await?;
            if count > 0 {
                ends.ends.insert((*status).to_owned(), count);
            }
        }
        for (workflow, status) in
            workflows.iter().flat_map(|workflow| ENDED_BADLY.map(|status| (workflow, status)))
        {
            for summary in self.find(workflow, &[status], REASONS_READ).await?.results {
                match summary.reason_for_incompletion.filter(|reason| !reason.is_empty()) {
                    Some(reason) => note(&mut ends.reasons, &reason),
                    None => ends.without_reason += 1,
                }
            }
        }
        Ok(())
    }

    async fn count(&mut self, workflows: &[String], statuses: &[&str]) -> anyhow::Result<u64> {
        let mut sum = 0;
        for workflow in workflows {
            sum += self.find(workflow, statuses, 1).await?.total_hits;
        }
        Ok(sum)
    }

    async fn find(
        &mut self,
        workflow: &str,
        statuses: &[&str],
        size: usize,
    ) -> anyhow::Result<Found> {
        let (statuses, since) = (statuses.join(","), self.since);
        let query = format!(
            "workflowType = '{workflow}' AND status IN ({statuses}) AND startTime > {since}"
        );
        let query = [(' ', "%20"), ('\'', "%27"), ('=', "%3D"), ('>', "%3E")]
            .into_iter()
            .fold(query, |query, (from, to)| query.replace(from, to));
        let path = format!("/workflow/search?start=0&size={size}&query={query}");
        let body = self.connection.get(&path).await?;
        serde_json::from_slice(&body).with_context(|| format!("GET {path}"))
    }
}

/// Keeps a reason that is not known yet; those that differ in their ids and numbers only are one.
fn note(reasons: &mut Vec<String>, reason: &str) {
    let shown: String = reason.chars().take(REASON_CHARS_KEPT).collect();
    let is_known = reasons.iter().any(|known| without_digits(known) == without_digits(&shown));
    if !is_known && reasons.len() < REASONS_KEPT {
        reasons.push(shown);
    }
}

/// A text without what differs from one execution to the next.
fn without_digits(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let has_digit = word.contains(|letter: char| letter.is_ascii_digit());
        if has_digit { "#" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_numbers_are_one() {
        let mut reasons = Vec::new();
        for reason in ["child a1-2 failed", "child b3-4 failed", "too large: 17", "too deep: 17"] {
            note(&mut reasons, reason);
        }
        assert_eq!(reasons, ["child a1-2 failed", "too large: 17", "too deep: 17"]);
        (0..9).for_each(|n| note(&mut reasons, &"x".repeat(n + 200 * n)));
        assert_eq!(reasons.len(), REASONS_KEPT);
        assert!(reasons.iter().all(|reason| reason.len() <= REASON_CHARS_KEPT), "{reasons:?}");
    }
}
