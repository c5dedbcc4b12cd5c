//! The values that a plain script can give: those of scripts that compare, or that choose between
//! literals, can be listed.
use super::tree::{Binary, Expression, Statement, Unary};

/// Most results that are listed.
const RESULTS_MAX: usize = 100;

/// The texts of all results of these statements, and perhaps of some that never come to be.
pub(super) fn of(body: &[Statement]) -> Option<Vec<String>> {
    let mut found = Vec::new();
    of_statements(body, &mut found)?;
    found.sort();
    found.dedup();
    Some(found)
}

fn of_statements(body: &[Statement], found: &mut Vec<String>) -> Option<()> {
    if body.is_empty() {
        add(found, "undefined")?;
    }
    for statement in body {
        match statement {
            Statement::Value(value) | Statement::Return(Some(value)) => of_value(value, found)?,
            Statement::Return(None) => add(found, "undefined")?,
            Statement::If { then, otherwise, .. } => {
                of_statements(then, found)?;
                of_statements(otherwise, found)?;
            }
        }
    }
    Some(())
}

fn of_value(value: &Expression, found: &mut Vec<String>) -> Option<()> {
    match value {
        Expression::Undefined => add(found, "undefined"),
        Expression::Null => add(found, "null"),
        Expression::Bool(value) => add(found, &value.to_string()),
        Expression::Text(text) => add(found, text),
        Expression::Number(number) => add(found, &number.to_string()),
        Expression::Choice(_, then, otherwise) => {
            of_value(then, found)?;
            of_value(otherwise, found)
        }
        Expression::And(left, right) | Expression::Or(left, right) => {
            of_value(left, found)?;
            of_value(right, found)
        }
        Expression::Unary(Unary::Not, _) => booleans(found),
        Expression::Binary(operator, ..) if compares(*operator) => booleans(found),
        Expression::Input
        | Expression::Member(..)
        | Expression::Unary(Unary::Minus | Unary::Plus | Unary::Typeof, _)
        | Expression::Binary(..) => None,
    }
}

fn booleans(found: &mut Vec<String>) -> Option<()> {
    add(found, "true")?;
    add(found, "false")
}

fn compares(operator: Binary) -> bool {
    match operator {
        Binary::Equal
        | Binary::NotEqual
        | Binary::Same
        | Binary::NotSame
        | Binary::Less
        | Binary::Greater
        | Binary::AtMost
        | Binary::AtLeast => true,
        Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Remainder => {
            false
        }
    }
}

fn add(found: &mut Vec<String>, text: &str) -> Option<()> {
    found.push(text.to_owned());
    (found.len() <= RESULTS_MAX).then_some(())
}

#[cfg(test)]
mod tests {
    use super::super::Program;

    #[test]
    fn results_of_comparisons_and_of_choices_between_literals_are_known() {
        let results = |source: &str| Program::parse(source).unwrap().results();
        let list = |texts: &[&str]| Some(texts.iter().map(ToString::to_string).collect());
        assert_eq!(results("$.a > 1"), list(&["false", "true"]));
        assert_eq!(results("$.a ? 'yes' : 'no'"), list(&["no", "yes"]));
        assert_eq!(results("if ($.a) { 'x' } else { 'y' }"), list(&["x", "y"]));
        assert_eq!(results("if ($.a) { 'x' }"), list(&["undefined", "x"]));
        assert_eq!(results("!$.a && $.b == 1"), list(&["false", "true"]));
        assert_eq!(results("$.a"), None);
        assert_eq!(results("$.a || 'none'"), None);
        assert_eq!(results("'a' + 1"), None);
    }
}
