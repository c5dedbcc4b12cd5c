//! Compiles a path, with the filters `[?(@.p > 10 && @.q == 'x')]` in it, which hold paths in turn.
use super::cursor::Cursor;
use super::function::Function;
use super::literal::{literal, pattern};
use super::step::{Condition, Operand, Operator, Path, Step};
use crate::meter::{Fault, Limit};

/// Longest path, bytes: a path can be put together from values, and its compilation costs time.
const PATH_BYTES_MAX: usize = 16 * 1024;

/// Signs first tried; a longer one stands before its prefix.
const SIGNS: [(&str, Operator); 9] = [
    ("===", Operator::SameTypeEqual),
    ("!==", Operator::SameTypeNotEqual),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=~", Operator::Matches),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

const WORDS: [(&str, Operator); 9] = [
    ("in", Operator::In),
    ("nin", Operator::NotIn),
    ("contains", Operator::Contains),
    ("all", Operator::ContainsAll),
    ("subsetof", Operator::SubsetOf),
    ("anyof", Operator::AnyOf),
    ("noneof", Operator::NoneOf),
    ("size", Operator::Size),
    ("empty", Operator::Empty),
];

/// Why a text is no path that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It does not spell one.
    Malformed,
    /// It is over a limit.
    OverLimit(Fault),
}

impl Path {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`Unreadable`], when it is no path or is over a limit.
    pub(crate) fn compile(text: &str) -> Result<Self, Unreadable> {
        if text.len() > PATH_BYTES_MAX {
            let fault = Fault::new(Limit::PathBytes, PATH_BYTES_MAX, text.len());
            return Err(Unreadable::OverLimit(fault));
        }
        if text.starts_with('@') || text != text.trim() {
            return Err(Unreadable::Malformed);
        }
        let mut cursor = Cursor::new(text);
        if !cursor.eat('$') || !matches!(cursor.peek(), None | Some('.' | '[')) {
            cursor = Cursor::new(&format!("$.{text}"));
            cursor.eat('$');
        }
        let steps = cursor.steps(Ends::AtEnd).filter(|_| cursor.peek().is_none());
        match (steps, cursor.over_limit) {
            (Some(steps), _) => Ok(Self { steps, absolutes: cursor.absolutes }),
            (None, Some(fault)) => Err(Unreadable::OverLimit(fault)),
            (None, None) => Err(Unreadable::Malformed),
        }
    }
}

/// Where a path inside a text may stop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// Only at the end of the text.
    AtEnd,
    /// Before the operators, blanks and closing brackets of a filter.
    InFilter,
}

impl Cursor {
    /// The steps up to the end of the path.
    fn steps(&mut self, ends: Ends) -> Option<Vec<Step>> {
        let mut steps = Vec::new();
        loop {
            match self.peek() {
                None => break,
                Some('.') => self.dot_step(&mut steps, ends)?,
                Some('[') if self.is_at_last() => {
                    // Conductor reads the unclosed `l[` as `l`.
                    self.advance();
                }
                Some('[') => {
                    let step = self.bracket_step()?;
                    steps.push(step);
                }
                Some(_) if ends == Ends::InFilter => break,
                // After a bracket a name may follow without its dot.
                Some(_) if !steps.is_empty() => steps.push(self.name_step(ends)?),
                Some(_) => return None,
            }
        }
        let function = steps.iter().position(|step| matches!(step, Step::Function(_)));
        let misplaced = function.is_some_and(|position| position + 1 != steps.len());
        (!misplaced && !matches!(steps.last(), Some(Step::Scan))).then_some(steps)
    }

    fn dot_step(&mut self, steps: &mut Vec<Step>, ends: Ends) -> Option<()> {
        self.advance();
        if self.eat('.') {
            steps.push(Step::Scan);
        }
        match self.peek()? {
            '.' => None,
            // `a.['b']` is `a['b']`.
            '[' => Some(()),
            _ => {
                steps.push(self.name_step(ends)?);
                Some(())
            }
        }
    }

    /// A bare name, `*`, or a function. A name with a blank needs brackets and quotes.
    fn name_step(&mut self, ends: Ends) -> Option<Step> {
        let name = match ends {
            Ends::AtEnd => self.take_while(|c| !".[(".contains(c)),
            Ends::InFilter => self.take_while(|c| !".[()]=<>!~&|, \t\r\n".contains(c)),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return None;
        }
        if self.eat('(') {
            let argument = self.take_while(|c| c != ')');
            let function = Function::named(&name, argument.trim())?;
            return self.eat(')').then_some(Step::Function(function));
        }
        Some(if name == "*" { Step::Wildcard } else { Step::Member(name) })
    }

    fn bracket_step(&mut self) -> Option<Step> {
        self.advance();
        self.descend()?;
        self.skip_blanks();
        let step = match self.peek()? {
            '?' => Step::Filter(self.filter()?),
            '*' => {
                self.advance();
                Step::Wildcard
            }
            '\'' | '"' => self.names()?,
            _ => self.indexes()?,
        };
        self.skip_blanks();
        self.ascend();
        self.eat(']').then_some(step)
    }

    fn filter(&mut self) -> Option<Condition> {
        self.advance();
        self.skip_blanks();
        if !self.eat('(') {
            return None;
        }
        let condition = condition(self)?;
        self.skip_blanks();
        self.eat(')').then_some(condition)
    }

    fn names(&mut self) -> Option<Step> {
        let mut names = vec![self.quoted()?];
        while self.eat_comma() {
            names.push(self.quoted()?);
        }
        Some(match names.len() {
            1 => Step::Member(names.remove(0)),
            _ => Step::Members(names),
        })
    }

    fn eat_comma(&mut self) -> bool {
        self.skip_blanks();
        let found = self.eat(',');
        self.skip_blanks();
        found
    }

    fn indexes(&mut self) -> Option<Step> {
        if self.eat(':') {
            return self.slice(None);
        }
        let first = self.integer()?;
        self.skip_blanks();
        if self.eat(':') {
            return self.slice(Some(first));
        }
        let mut indexes = vec![first];
        while self.eat_comma() {
            indexes.push(self.integer()?);
        }
        Some(match indexes.len() {
            1 => Step::Index(first),
            _ => Step::Indexes(indexes),
        })
    }

    /// The rest of a slice, past its colon.
    fn slice(&mut self, from: Option<i64>) -> Option<Step> {
        self.skip_blanks();
        let to = if self.peek()? == ']' { None } else { Some(self.integer()?) };
        Some(Step::Slice(from, to))
    }
}

/// Parses a condition up to the bracket that closes it.
fn condition(cursor: &mut Cursor) -> Option<Condition> {
    cursor.descend()?;
    let mut alternatives = vec![conjunction(cursor)?];
    while eat_sign(cursor, "||") {
        alternatives.push(conjunction(cursor)?);
    }
    cursor.ascend();
    Some(Condition::Any(alternatives))
}

fn conjunction(cursor: &mut Cursor) -> Option<Condition> {
    let mut parts = vec![term(cursor)?];
    while eat_sign(cursor, "&&") {
        parts.push(term(cursor)?);
    }
    Some(Condition::All(parts))
}

fn eat_sign(cursor: &mut Cursor, sign: &str) -> bool {
    cursor.skip_blanks();
    cursor.eat_all(sign)
}

fn term(cursor: &mut Cursor) -> Option<Condition> {
    cursor.skip_blanks();
    if cursor.eat('!') {
        cursor.descend()?;
        let negated = term(cursor)?;
        cursor.ascend();
        return Some(Condition::Not(Box::new(negated)));
    }
    if cursor.eat('(') {
        let inner = condition(cursor)?;
        cursor.skip_blanks();
        return cursor.eat(')').then_some(inner);
    }
    comparison(cursor)
}

fn comparison(cursor: &mut Cursor) -> Option<Condition> {
    let left = operand(cursor)?;
    cursor.skip_blanks();
    let Some(operator) = operator(cursor) else {
        let is_path = matches!(left, Operand::Relative(_) | Operand::Absolute { .. });
        return is_path.then_some(Condition::Exists(left));
    };
    cursor.skip_blanks();
    let right = operand(cursor)?;
    let has_pattern = matches!(right, Operand::Pattern(_));
    (has_pattern == (operator == Operator::Matches)).then_some(Condition::Compare {
        left,
        operator,
        right,
    })
}

fn operator(cursor: &mut Cursor) -> Option<Operator> {
    if let Some((_, operator)) = SIGNS.iter().find(|(sign, _)| cursor.eat_all(sign)) {
        return Some(*operator);
    }
    let word = cursor.take_while(|c| c.is_ascii_alphabetic()).to_ascii_lowercase();
    WORDS.iter().find(|(name, _)| *name == word).map(|(_, operator)| *operator)
}

fn operand(cursor: &mut Cursor) -> Option<Operand> {
    match cursor.peek()? {
        '@' => {
            cursor.advance();
            cursor.steps(Ends::InFilter).map(Operand::Relative)
        }
        '$' => {
            cursor.advance();
            let steps = cursor.steps(Ends::InFilter)?;
            cursor.absolutes += 1;
            Some(Operand::Absolute { slot: cursor.absolutes - 1, steps })
        }
        '/' => pattern(cursor).map(Operand::Pattern),
        _ => {
            let mut json = String::new();
            literal(cursor, &mut json)?;
            Some(Operand::Literal(json))
        }
    }
}
