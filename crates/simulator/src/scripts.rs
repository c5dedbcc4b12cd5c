//! The scripts of cases, evaluated here: each is one of a few, whose result is known.
use baton_common::Payload;
use baton_expression::script::{Language, Script, ScriptError};

/// The result of a script of [`crate::definition`].
///
/// # Errors
/// [`ScriptError::Failed`] for the script that is meant to fail, and for unknown ones.
pub(crate) fn evaluate(script: &Script) -> Result<Payload, ScriptError> {
    let value = match script.language {
        Language::Jq => jq(script).map(|n| format!("[{n}]")),
        Language::JavaScript => javascript(script),
    };
    let unknown = || ScriptError::Failed { message: "Error: broken".to_owned() };
    value.and_then(|text| Payload::parse(text).ok()).ok_or_else(unknown)
}

fn jq(script: &Script) -> Option<i64> {
    let add: i64 = script.source.strip_prefix(".n + ")?.parse().ok()?;
    Some(member(&script.input, &["n"])? + add)
}

/// `Math.abs(…)` of a member, and one operator with a number.
fn javascript(script: &Script) -> Option<String> {
    let (_, rest) = script.source.split_once("Math.abs($.")?;
    let (path, rest) = rest.split_once(')')?;
    let path: Vec<&str> =
        path.split(['.', '[', ']', '\'']).filter(|part| !part.is_empty()).collect();
    let value = member(&script.input, &path)?.abs();
    let mut words = rest.split_whitespace();
    let operator = words.next()?;
    let number: i64 = words.next()?.trim_end_matches(';').parse().ok()?;
    Some(match operator {
        "+" => (value + number).to_string(),
        "%" => (value % number).to_string(),
        "<" => (value < number).to_string(),
        _ => return None,
    })
}

fn member(input: &Payload, path: &[&str]) -> Option<i64> {
    let value: serde_json::Value = serde_json::from_str(input.get()).ok()?;
    path.iter().try_fold(&value, |value, name| value.get(name))?.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(language: Language, source: &str, input: &str) -> Option<String> {
        let input = Payload::parse(input.to_owned()).unwrap();
        let script = Script { language, source: source.to_owned(), input };
        assert!(script.plain_result().is_none(), "a decision must wait for {source}");
        evaluate(&script).ok().map(|value| value.get().to_owned())
    }

    #[test]
    fn the_scripts_of_cases_have_the_results_that_the_engines_give() {
        let js = |source, input| run(Language::JavaScript, source, input);
        assert_eq!(js("Math.abs($.n) + 2", r#"{"n":5}"#).as_deref(), Some("7"));
        assert_eq!(js("Math.abs($.n) % 3", r#"{"n":5}"#).as_deref(), Some("2"));
        let lambda = "(function () { return Math.abs($.n) + 4;\n})()";
        assert_eq!(js(lambda, r#"{"n":5}"#).as_deref(), Some("9"));
        let condition = "Math.abs($.s1['iteration']) < 2";
        assert_eq!(js(condition, r#"{"s1":{"iteration":1}}"#).as_deref(), Some("true"));
        assert_eq!(js("throw new Error('broken')", "{}"), None);
        assert_eq!(run(Language::Jq, ".n + 3", r#"{"n":5}"#).as_deref(), Some("[8]"));
    }
}
