//! What a plain script is made of.

/// A place of the script that reads its input: `$.first.second…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// The member of `$`; `None` when the script computes its name or takes the whole input.
    pub(super) first: Option<String>,
    /// The member of that member; `None` as above.
    pub(super) second: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Statement {
    /// An expression, whose value is the program's if nothing comes after it.
    Value(Expression),
    If {
        condition: Expression,
        then: Vec<Statement>,
        otherwise: Vec<Statement>,
    },
    /// Ends a function, and so the program.
    Return(Option<Expression>),
}

#[derive(Clone, Debug)]
pub(super) enum Expression {
    /// `$`.
    Input,
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Member(Box<Expression>, Box<Expression>),
    Unary(Unary, Box<Expression>),
    Binary(Binary, Box<Expression>, Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Choice(Box<Expression>, Box<Expression>, Box<Expression>),
}

impl Expression {
    pub(super) fn literal_text(&self) -> Option<String> {
        if let Self::Text(text) = self { Some(text.clone()) } else { None }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Unary {
    Not,
    Minus,
    Plus,
    Typeof,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Binary {
    Equal,
    NotEqual,
    Same,
    NotSame,
    Less,
    Greater,
    AtMost,
    AtLeast,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}
