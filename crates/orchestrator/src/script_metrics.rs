//! Counts and times the evaluation of scripts.
use crate::environment::RunScript;
use baton_expression::script::Language;
use baton_telemetry::{Counter, EngineMetrics, Histogram};
use std::sync::Arc;
use std::time::Instant;

/// The same evaluation, counted and timed.
pub(crate) fn measured(run_script: RunScript, metrics: &EngineMetrics) -> RunScript {
    let javascript = metrics.scripts("javascript");
    let jq = metrics.scripts("jq");
    Arc::new(move |share, script| {
        let (outcomes, duration): &([Counter; 2], Histogram) = match script.language {
            Language::JavaScript => &javascript,
            Language::Jq => &jq,
        };
        let (outcomes, duration) = (outcomes.clone(), duration.clone());
        let run = run_script(share, script);
        Box::pin(async move {
            let began = Instant::now();
            let result = run.await;
            duration.observe(began.elapsed());
            outcomes[usize::from(result.is_ok())].inc();
            result
        })
    })
}
