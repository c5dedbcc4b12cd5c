//! Values of a task definition that have no effect.
use crate::finding::{Code, Finding};
use crate::nearest::hint;
use crate::tokens::{of_text, visit};
use baton_common::TaskDef;
use baton_common::definition::RetryLogic;
use baton_decider::WORKFLOW_FIELDS;

/// Everything that is suspicious in a task definition; pointers begin with `prefix`.
pub(crate) fn findings(definition: &TaskDef, prefix: &str) -> Vec<Finding> {
    let mut findings = unused(definition, prefix);
    let mut look = |text: &str, place: &str| {
        for token in of_text(text).0 {
            let field = token.members.first().map(String::as_str);
            let field = field.filter(|_| token.root.as_deref() == Some("workflow"));
            let Some(field) = field.filter(|field| !is_field(field)) else { continue };
            let hint = hint(field, WORKFLOW_FIELDS.iter().copied(), "correct the name");
            let message =
                format!("`${{{}}}`: `workflow` has no member `{field}`{hint}", token.path);
            findings.push(Finding::new(Code::UnknownField, place, message));
        }
    };
    let place = format!("{prefix}/inputTemplate");
    visit(&definition.input_template.to_value(), &place, &mut look, &mut |_, _| {});
    findings
}

fn is_field(name: &str) -> bool {
    WORKFLOW_FIELDS.contains(&name) || matches!(name, "env" | "secrets")
}

fn unused(definition: &TaskDef, prefix: &str) -> Vec<Finding> {
    let rules = [
        (
            definition.backoff_scale_factor > 1
                && definition.retry_logic != RetryLogic::LinearBackoff,
            "backoffScaleFactor",
            "`backoffScaleFactor` has no effect: only the retry logic LINEAR_BACKOFF reads it; remove it",
        ),
        (
            definition.rate_limit_frequency_in_seconds > 1
                && definition.rate_limit_per_frequency == 0,
            "rateLimitFrequencyInSeconds",
            "`rateLimitFrequencyInSeconds` has no effect without `rateLimitPerFrequency`; remove it",
        ),
        (
            definition.backoff_jitter_ms > 0 && definition.retry_count == 0,
            "backoffJitterMs",
            "`backoffJitterMs` has no effect: `retryCount` is 0; remove it",
        ),
    ];
    let broken = rules.into_iter().filter(|(is_broken, ..)| *is_broken);
    broken
        .map(|(_, member, message)| {
            Finding::new(Code::UnusedValue, format!("{prefix}/{member}"), message)
        })
        .collect()
}
