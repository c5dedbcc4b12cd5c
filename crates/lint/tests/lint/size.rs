//! How much is said, and of how much.
use crate::{World, workflow};
use baton_lint::FINDINGS_MAX;

/// A definition of so many steps, each with a fault.
fn faulty(steps: usize) -> String {
    let step = |index: usize| {
        format!(
            r#"{{"name":"t","taskReferenceName":"t{index}","typ":"X","inputParameters":{{"a":"${{t{}.output.x}}"}}}}"#,
            index + 1
        )
    };
    let steps: Vec<String> = (0..steps).map(step).collect();
    format!(r#"{{"name":"w","tasks":[{}]}}"#, steps.join(","))
}

#[test]
fn a_report_is_bounded_and_counts_what_it_leaves_out() {
    let report = workflow(&faulty(5_000), &World);
    assert_eq!(report.findings.len(), FINDINGS_MAX);
    assert_eq!(report.left_out, 15_000 - FINDINGS_MAX);
    assert_eq!(report.findings[0].pointer, "/tasks/0/inputParameters/a");
    assert_eq!(report.findings[3].pointer, "/tasks/1/inputParameters/a");
}
