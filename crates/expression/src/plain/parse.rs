//! Reads a plain script.
use super::lexer::{self, Placed, Token};
use super::tree::{Binary, Expression, Read, Statement, Unary};

/// Deepest nesting of expressions and statements; bounds the recursion.
const DEPTH_MAX: usize = 32;

/// Binary operators, the loosest first; those of a line are of the same strength.
const BINARY: [&[(&str, Binary)]; 4] = [
    &[
        ("==", Binary::Equal),
        ("!=", Binary::NotEqual),
        ("===", Binary::Same),
        ("!==", Binary::NotSame),
    ],
    &[("<", Binary::Less), (">", Binary::Greater), ("<=", Binary::AtMost), (">=", Binary::AtLeast)],
    &[("+", Binary::Add), ("-", Binary::Subtract)],
    &[("*", Binary::Multiply), ("/", Binary::Divide), ("%", Binary::Remainder)],
];

/// The statements that `source` spells, and what they read; `None` when it is no plain program.
pub(super) fn program(source: &str) -> Option<(Vec<Statement>, Vec<Read>)> {
    let tokens = lexer::tokens(source)?;
    let mut parser = Parser { tokens: &tokens, position: 0, depth: 0, reads: Vec::new() };
    let body = parser.program()?;
    parser.is_at_end().then_some((body, parser.reads))
}

struct Parser<'t, 's> {
    tokens: &'t [Placed<'s>],
    position: usize,
    depth: usize,
    reads: Vec<Read>,
}

impl<'s> Parser<'_, 's> {
    fn peek(&self) -> Option<&Token<'s>> {
        self.tokens.get(self.position).map(|placed| &placed.token)
    }

    fn is_at_end(&self) -> bool {
        self.position == self.tokens.len()
    }

    fn eat(&mut self, token: &Token<'_>) -> Option<()> {
        (self.peek() == Some(token)).then(|| self.position += 1)
    }

    fn mark(&mut self, mark: &'static str) -> Option<()> {
        self.eat(&Token::Mark(mark))
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.eat(&Token::Word(word))
    }

    /// A way to read what comes that leaves nothing behind when it fails.
    fn attempt<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let (position, depth, reads) = (self.position, self.depth, self.reads.len());
        let found = read(self);
        if found.is_none() {
            self.position = position;
            self.depth = depth;
            self.reads.truncate(reads);
        }
        found
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.depth += 1;
        let found = if self.depth > DEPTH_MAX { None } else { read(self) };
        self.depth -= 1;
        found
    }

    /// A function that is called at once, or one statement that has a value.
    fn program(&mut self) -> Option<Vec<Statement>> {
        let body = match self.attempt(Self::called_function) {
            Some(body) => body,
            None => vec![self.valued_statement()?],
        };
        while self.mark(";").is_some() {}
        Some(body)
    }

    /// `(function () { … })()`, `(() => { … })()` and `function e() { … } e()`.
    fn called_function(&mut self) -> Option<Vec<Statement>> {
        if self.mark("(").is_none() {
            let name = self.function_head()?;
            let body = self.function_body()?;
            self.word(name)?;
            self.no_arguments()?;
            return Some(body);
        }
        let body = if self.attempt(Self::function_head).is_some() {
            self.function_body()?
        } else {
            self.no_arguments()?;
            self.mark("=>")?;
            if self.peek() == Some(&Token::Mark("{")) {
                self.function_body()?
            } else {
                vec![Statement::Return(Some(self.expression()?))]
            }
        };
        if self.mark(")").is_some() {
            self.no_arguments()?;
        } else {
            self.no_arguments()?;
            self.mark(")")?;
        }
        Some(body)
    }

    /// `function name()`; answers the name, or an empty one.
    fn function_head(&mut self) -> Option<&'s str> {
        self.word("function")?;
        let name = match self.peek()? {
            Token::Word(name) if is_reserved(name) => return None,
            Token::Word(name) => *name,
            Token::Number(_) | Token::Text(_) | Token::Mark(_) => "",
        };
        self.position += usize::from(!name.is_empty());
        self.no_arguments()?;
        Some(name)
    }

    fn no_arguments(&mut self) -> Option<()> {
        self.mark("(")?;
        self.mark(")")
    }

    fn function_body(&mut self) -> Option<Vec<Statement>> {
        let mut body = self.block(Self::statement)?;
        body.push(Statement::Return(None));
        Some(body)
    }

    /// `{ … }`.
    fn block(&mut self, statement: fn(&mut Self) -> Option<Statement>) -> Option<Vec<Statement>> {
        self.mark("{")?;
        let mut statements = Vec::new();
        while self.mark("}").is_none() {
            if self.mark(";").is_none() {
                statements.push(self.nested(statement)?);
            }
        }
        Some(statements)
    }

    /// A statement of a function's body.
    fn statement(&mut self) -> Option<Statement> {
        if self.word("return").is_some() {
            let placed = self.tokens.get(self.position)?;
            let is_bare = placed.begins_line || [";", "}"].map(Token::Mark).contains(&placed.token);
            let value = if is_bare { None } else { Some(self.expression()?) };
            self.end_of_statement()?;
            return Some(Statement::Return(value));
        }
        self.value_or_if(Self::statement)
    }

    /// A statement outside of functions: its value is the program's, so that there is one only.
    fn valued_statement(&mut self) -> Option<Statement> {
        self.value_or_if(Self::valued_statement).filter(|statement| match statement {
            Statement::If { then, otherwise, .. } => then.len() == 1 && otherwise.len() <= 1,
            Statement::Value(_) | Statement::Return(_) => true,
        })
    }

    /// An expression, or an `if` whose branches are made of such statements.
    fn value_or_if(&mut self, statement: fn(&mut Self) -> Option<Statement>) -> Option<Statement> {
        if self.word("if").is_none() {
            let value = self.expression()?;
            self.end_of_statement()?;
            return Some(Statement::Value(value));
        }
        self.mark("(")?;
        let condition = self.expression()?;
        self.mark(")")?;
        let then = self.branch(statement)?;
        let has_else = self.word("else").is_some();
        let otherwise = if has_else { self.branch(statement)? } else { Vec::new() };
        Some(Statement::If { condition, then, otherwise })
    }

    /// A block, or one statement.
    fn branch(&mut self, statement: fn(&mut Self) -> Option<Statement>) -> Option<Vec<Statement>> {
        self.nested(|parser| {
            if parser.peek() == Some(&Token::Mark("{")) {
                return parser.block(statement);
            }
            Some(vec![statement(parser)?])
        })
    }

    /// A semicolon, or one of the places where JavaScript thinks of one itself.
    fn end_of_statement(&mut self) -> Option<()> {
        if self.mark(";").is_some() {
            return Some(());
        }
        let is_end = self.tokens.get(self.position).is_none_or(|next| match next.token {
            Token::Mark("}") => true,
            Token::Word("if" | "return") => next.begins_line,
            Token::Word(_) | Token::Number(_) | Token::Text(_) | Token::Mark(_) => false,
        });
        is_end.then_some(())
    }

    fn expression(&mut self) -> Option<Expression> {
        self.nested(|parser| {
            let condition = parser.or()?;
            if parser.mark("?").is_none() {
                return Some(condition);
            }
            let then = parser.expression()?;
            parser.mark(":")?;
            let otherwise = parser.expression()?;
            Some(Expression::Choice(Box::new(condition), Box::new(then), Box::new(otherwise)))
        })
    }

    fn or(&mut self) -> Option<Expression> {
        let mut left = self.and()?;
        for _ in 0..DEPTH_MAX {
            if self.mark("||").is_none() {
                return Some(left);
            }
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        None
    }

    fn and(&mut self) -> Option<Expression> {
        let mut left = self.binary(0)?;
        for _ in 0..DEPTH_MAX {
            if self.mark("&&").is_none() {
                return Some(left);
            }
            left = Expression::And(Box::new(left), Box::new(self.binary(0)?));
        }
        None
    }

    fn binary(&mut self, strength: usize) -> Option<Expression> {
        let Some(operators) = BINARY.get(strength) else { return self.unary() };
        let mut left = self.binary(strength + 1)?;
        for _ in 0..DEPTH_MAX {
            let next = self.peek();
            let Some((_, operator)) =
                operators.iter().find(|(mark, _)| next == Some(&Token::Mark(mark)))
            else {
                return Some(left);
            };
            self.position += 1;
            let right = self.binary(strength + 1)?;
            left = Expression::Binary(*operator, Box::new(left), Box::new(right));
        }
        None
    }

    fn unary(&mut self) -> Option<Expression> {
        let operator = match self.peek()? {
            Token::Mark("!") => Unary::Not,
            Token::Mark("-") => Unary::Minus,
            Token::Mark("+") => Unary::Plus,
            Token::Word("typeof") => Unary::Typeof,
            Token::Mark(_) | Token::Word(_) | Token::Number(_) | Token::Text(_) => {
                return self.member();
            }
        };
        self.position += 1;
        self.nested(|parser| Some(Expression::Unary(operator, Box::new(parser.unary()?))))
    }

    fn member(&mut self) -> Option<Expression> {
        let is_input = self.peek() == Some(&Token::Word("$"));
        let mut value = self.primary()?;
        let mut names = Vec::new();
        loop {
            let name = if self.mark(".").is_some() {
                let Some(Token::Word(name)) = self.peek() else { return None };
                let name = Expression::Text((*name).to_owned());
                self.position += 1;
                name
            } else if self.mark("[").is_some() {
                let name = self.expression()?;
                self.mark("]")?;
                name
            } else {
                break;
            };
            if self.depth + names.len() >= DEPTH_MAX {
                return None;
            }
            names.push(name.literal_text());
            value = Expression::Member(Box::new(value), Box::new(name));
        }
        if is_input {
            let mut names = names.into_iter();
            let (first, second) = (names.next().flatten(), names.next().flatten());
            self.reads.push(Read { first, second });
        }
        Some(value)
    }

    fn primary(&mut self) -> Option<Expression> {
        let value = match self.peek()? {
            Token::Mark("(") => {
                self.position += 1;
                let inside = self.expression()?;
                self.mark(")")?;
                return Some(inside);
            }
            Token::Word("$") => Expression::Input,
            Token::Word("undefined") => Expression::Undefined,
            Token::Word("null") => Expression::Null,
            Token::Word("true") => Expression::Bool(true),
            Token::Word("false") => Expression::Bool(false),
            Token::Number(number) => Expression::Number(*number),
            Token::Text(text) => Expression::Text((*text).to_owned()),
            Token::Word(_) | Token::Mark(_) => return None,
        };
        self.position += 1;
        Some(value)
    }
}

/// Whether a word cannot name a function, or would mean something else then.
fn is_reserved(word: &str) -> bool {
    const RESERVED: &str = "$ arguments async await break case catch class const continue debugger default delete do \
        else enum eval export extends false finally for function if implements import in \
        instanceof interface let new null package private protected public return static super \
        switch this throw true try typeof undefined var void while with yield";
    RESERVED.split(' ').any(|reserved| reserved == word)
}
