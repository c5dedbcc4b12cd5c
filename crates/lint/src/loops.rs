//! Loops whose condition reads nothing that changes.
use crate::finding::{Code, Finding};
use crate::scene::Scene;
use crate::source::inputs_read;
use crate::steps::Order;
use crate::tokens::{of_text, visit};
use baton_common::Payload;
use baton_expression::plain::Program;
use serde_json::Value;

/// Words of a script that give another value each time.
const CHANGING: [&str; 2] = ["Date", "random"];

/// Every loop that does not end by its condition.
pub(crate) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let loops = scene.steps.all.iter().enumerate().filter(|(_, step)| step.is("DO_WHILE"));
    loops.filter_map(|(index, _)| finding(scene, index)).collect()
}

fn finding(scene: &Scene<'_>, index: usize) -> Option<Finding> {
    let step = &scene.steps.all[index];
    let condition = step.task.loop_condition.as_deref().filter(|text| !text.trim().is_empty())?;
    let ends_otherwise = step.task.items.is_some() || has_other_end(scene, index);
    if ends_otherwise || CHANGING.iter().any(|word| condition.contains(word)) {
        return None;
    }
    let pointer = format!("{}/loopCondition", step.pointer);
    let constant = Program::parse(condition)
        .filter(|program| program.reads().is_some_and(|reads| reads.is_empty()));
    if let Some(program) = constant {
        let value = program.evaluate(&Payload::empty_object())?;
        let holds = value.get() == "true" || value.get().parse::<f64>().is_ok_and(|n| n > 0.0);
        let message = "the condition is always true, so that the loop does not end by itself; read \
                       in it what the body changes";
        return holds.then(|| Finding::new(Code::EndlessLoop, pointer, message));
    }
    let reads = inputs_read(condition);
    let input = step.task.input_parameters.to_value();
    let is_fixed =
        |name: &String| input.get(name).is_some_and(|value| !changes(scene, index, value));
    if reads.is_empty() || mentions_whole_input(condition) || !reads.iter().all(is_fixed) {
        return None;
    }
    let names: Vec<String> = reads.iter().map(|name| format!("`$.{name}`")).collect();
    let message = format!(
        "the condition reads only {}, which no iteration changes: the loop runs once, or does not \
         end by itself; read what the body changes",
        names.join(", ")
    );
    Some(Finding::new(Code::EndlessLoop, pointer, message))
}

/// Whether something in the body may end the execution.
fn has_other_end(scene: &Scene<'_>, index: usize) -> bool {
    let mut steps = scene.steps.all.iter().enumerate();
    steps.any(|(inner, step)| step.is("TERMINATE") && scene.steps.is_within(inner, index))
}

/// Whether a script takes its input as a whole, or by a computed name.
fn mentions_whole_input(source: &str) -> bool {
    source.match_indices('$').any(|(at, _)| {
        let behind = &source[at + 1..];
        !behind.starts_with(['.', '?', '\'', '"'])
            && !behind.starts_with("['")
            && !behind.starts_with("[\"")
    })
}

/// Whether a parameter of a loop may have another value in the next iteration.
fn changes(scene: &Scene<'_>, index: usize, value: &Value) -> bool {
    let mut changes = false;
    let mut look = |text: &str, _: &str| {
        for token in of_text(text).0 {
            changes |= match token.root.as_deref() {
                Some("workflow") => token.members.first().is_none_or(|field| field != "input"),
                Some(root) => match scene.steps.find(root) {
                    Some(other) => {
                        other == index
                            || scene.steps.is_within(other, index)
                            || scene.steps.around(index).any(|around| around == other)
                            || scene.steps.order(other, index) != Order::Before
                    }
                    None => true,
                },
                None => true,
            };
        }
    };
    visit(value, "", &mut look, &mut |_, _| {});
    changes
}
