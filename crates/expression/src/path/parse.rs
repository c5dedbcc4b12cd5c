//! Compiles a path, with the filters `[?(@.p > 10 && @.q == 'x')]` in it, which hold paths in turn.
use super::cursor::Cursor;
use super::function::Function;
use super::literal::{literal, pattern};
use super::segment::{Condition, Operand, Operator, Path, Segment};
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
        let segments = cursor.segments(Ends::AtEnd).filter(|_| cursor.peek().is_none());
        match (segments, cursor.over_limit) {
            (Some(segments), _) => Ok(Self { segments, absolutes: cursor.absolutes }),
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
    /// The segments up to the end of the path.
    fn segments(&mut self, ends: Ends) -> Option<Vec<Segment>> {
        let mut segments = Vec::new();
        loop {
            match self.peek() {
                None => break,
                Some('.') => self.dot_segment(&mut segments, ends)?,
                Some('[') if self.is_at_last() => {
                    // Conductor reads the unclosed `l[` as `l`.
                    self.advance();
                }
                Some('[') => {
                    let segment = self.bracket_segment()?;
                    segments.push(segment);
                }
                Some(_) if ends == Ends::InFilter => break,
                // After a bracket a name may follow without its dot.
                Some(_) if !segments.is_empty() => segments.push(self.name_segment(ends)?),
                Some(_) => return None,
            }
        }
        let function = segments.iter().position(|segment| matches!(segment, Segment::Function(_)));
        let misplaced = function.is_some_and(|position| position + 1 != segments.len());
        (!misplaced && !matches!(segments.last(), Some(Segment::Scan))).then_some(segments)
    }

    fn dot_segment(&mut self, segments: &mut Vec<Segment>, ends: Ends) -> Option<()> {
        self.advance();
        if self.eat('.') {
            segments.push(Segment::Scan);
        }
        match self.peek()? {
            '.' => None,
            // `a.['b']` is `a['b']`.
            '[' => Some(()),
            _ => {
                segments.push(self.name_segment(ends)?);
                Some(())
            }
        }
    }

    /// A bare name, `*`, or a function. A name with a blank needs brackets and quotes.
    fn name_segment(&mut self, ends: Ends) -> Option<Segment> {
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
            return self.eat(')').then_some(Segment::Function(function));
        }
        Some(if name == "*" { Segment::Wildcard } else { Segment::Member(name) })
    }

    fn bracket_segment(&mut self) -> Option<Segment> {
        self.advance();
        self.descend()?;
        self.skip_blanks();
        let segment = match self.peek()? {
            '?' => Segment::Filter(self.filter()?),
            '*' => {
                self.advance();
                Segment::Wildcard
            }
            '\'' | '"' => self.names()?,
            _ => self.indexes()?,
        };
        self.skip_blanks();
        self.ascend();
        self.eat(']').then_some(segment)
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

    fn names(&mut self) -> Option<Segment> {
        let mut names = vec![self.quoted()?];
        while self.eat_comma() {
            names.push(self.quoted()?);
        }
        Some(match names.len() {
            1 => Segment::Member(names.remove(0)),
            _ => Segment::Members(names),
        })
    }

    fn eat_comma(&mut self) -> bool {
        self.skip_blanks();
        let found = self.eat(',');
        self.skip_blanks();
        found
    }

    fn indexes(&mut self) -> Option<Segment> {
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
            1 => Segment::Index(first),
            _ => Segment::Indexes(indexes),
        })
    }

    /// The rest of a slice, past its colon.
    fn slice(&mut self, from: Option<i64>) -> Option<Segment> {
        self.skip_blanks();
        let to = if self.peek()? == ']' { None } else { Some(self.integer()?) };
        Some(Segment::Slice(from, to))
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
            cursor.segments(Ends::InFilter).map(Operand::Relative)
        }
        '$' => {
            cursor.advance();
            let segments = cursor.segments(Ends::InFilter)?;
            cursor.absolutes += 1;
            Some(Operand::Absolute { slot: cursor.absolutes - 1, segments })
        }
        '/' => pattern(cursor).map(Operand::Pattern),
        _ => {
            let mut json = String::new();
            literal(cursor, &mut json)?;
            Some(Operand::Literal(json))
        }
    }
}
