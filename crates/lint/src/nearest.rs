//! The known name that a misspelled one most likely means.

/// Most known names that one is compared with, of those that are about as long.
const COMPARED_MAX: usize = 1_000;

/// The known name that is nearest to `name`, if one is near: but for case and for signs between
/// words the same, or a few letters apart.
pub(crate) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let plain = folded(name);
    let allowed = allowed(&plain);
    // Each sign between words makes a name longer and is not compared.
    let is_as_long = |known: &&str| *known != name && known.len() + allowed >= plain.len();
    let compared = known.into_iter().filter(is_as_long).take(COMPARED_MAX);
    let distances = compared.filter_map(|known| {
        let distance = strsim::osa_distance(&plain, &folded(known));
        (distance <= allowed).then(|| (distance, strsim::osa_distance(name, known), known))
    });
    distances.min().map(|(_, _, known)| known)
}

/// Letters that may differ: one in a short name, none in a very short one.
fn allowed(name: &str) -> usize {
    match name.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    }
}

/// Lower case, without what separates words.
fn folded(name: &str) -> String {
    let letters = name.chars().filter(|letter| !matches!(letter, '_' | '-' | ' '));
    letters.flat_map(char::to_lowercase).collect()
}

/// `; did you mean `x`?`, or what to do where no known name is near.
pub(crate) fn hint<'k>(
    name: &str,
    known: impl IntoIterator<Item = &'k str>,
    otherwise: &str,
) -> String {
    match nearest(name, known) {
        Some(known) => format!("; did you mean `{known}`?"),
        None if otherwise.is_empty() => String::new(),
        None => format!("; {otherwise}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_near_when_case_signs_or_a_few_letters_differ() {
        let known = ["HTTP", "SIMPLE", "SWITCH", "SUB_WORKFLOW", "WAIT"];
        for (name, meant) in [
            ("http", Some("HTTP")),
            ("HTTPS", Some("HTTP")),
            ("SIMPEL", Some("SIMPLE")),
            ("SWTICH", Some("SWITCH")),
            ("SubWorkflow", Some("SUB_WORKFLOW")),
            ("sub-workflow", Some("SUB_WORKFLOW")),
            ("wiat", Some("WAIT")),
            ("HTTP_POLL", None),
            ("charge_card", None),
            ("WA", None),
            ("HTTP", None),
        ] {
            assert_eq!(nearest(name, known), meant, "{name}");
        }
    }
}
