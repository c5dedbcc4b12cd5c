//! Runs a plain script.
use super::tree::{Expression, Statement, Unary};
use super::value::Value;
use std::borrow::Cow;

/// The value of a program's body over `input`; `None` when only the engine knows.
pub(super) fn value_of<'i>(body: &'i [Statement], input: &'i str) -> Option<Value<'i>> {
    let input = input.trim_ascii();
    run(body, input).map(|ended| match ended {
        Ended::WithValue(value) | Ended::Returned(value) => value,
    })
}

/// How a list of statements ended.
enum Ended<'i> {
    /// After its last statement, whose value this is.
    WithValue(Value<'i>),
    /// In a `return`.
    Returned(Value<'i>),
}

fn run<'i>(statements: &'i [Statement], input: &'i str) -> Option<Ended<'i>> {
    let mut last = Value::Undefined;
    for statement in statements {
        let ended = match statement {
            Statement::Value(expression) => Ended::WithValue(evaluate(expression, input)?),
            Statement::If { condition, then, otherwise } => {
                let branch = if evaluate(condition, input)?.is_true() { then } else { otherwise };
                run(branch, input)?
            }
            Statement::Return(None) => Ended::Returned(Value::Undefined),
            Statement::Return(Some(expression)) => Ended::Returned(evaluate(expression, input)?),
        };
        match ended {
            Ended::WithValue(value) => last = value,
            Ended::Returned(_) => return Some(ended),
        }
    }
    Some(Ended::WithValue(last))
}

fn evaluate<'i>(expression: &'i Expression, input: &'i str) -> Option<Value<'i>> {
    Some(match expression {
        Expression::Input => Value::of_json(input)?,
        Expression::Undefined => Value::Undefined,
        Expression::Null => Value::Null,
        Expression::Bool(value) => Value::Bool(*value),
        Expression::Number(number) => Value::Number(*number),
        Expression::Text(text) => Value::Text(Cow::Borrowed(text)),
        Expression::Member(of, name) => evaluate(of, input)?.member(&evaluate(name, input)?)?,
        Expression::Unary(operator, of) => {
            let value = evaluate(of, input)?;
            match operator {
                Unary::Not => Value::Bool(!value.is_true()),
                Unary::Minus => Value::Number(-value.number()?),
                Unary::Plus => Value::Number(value.number()?),
                Unary::Typeof => Value::Text(Cow::Borrowed(value.type_name())),
            }
        }
        Expression::Binary(operator, left, right) => {
            evaluate(left, input)?.combine(*operator, &evaluate(right, input)?)?
        }
        Expression::And(left, right) => {
            let left = evaluate(left, input)?;
            if left.is_true() { evaluate(right, input)? } else { left }
        }
        Expression::Or(left, right) => {
            let left = evaluate(left, input)?;
            if left.is_true() { left } else { evaluate(right, input)? }
        }
        Expression::Choice(condition, then, otherwise) => {
            let is_true = evaluate(condition, input)?.is_true();
            evaluate(if is_true { then } else { otherwise }, input)?
        }
    })
}
