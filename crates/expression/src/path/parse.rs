//! Reads a path's text.
use super::filter::{self, Condition};
use super::function::Function;
use super::{PATH_BYTES_MAX, PATH_DEPTH_MAX, Path, Segment, Unreadable};
use crate::meter::{Fault, Limit};

/// A cursor over the characters of a path.
pub(super) struct Parser {
    chars: Vec<char>,
    position: usize,
    /// How many more brackets or filters may open.
    depth_left: usize,
    /// The limit that stopped the reading, if one did.
    pub(super) over_limit: Option<Fault>,
    /// How many absolute paths the filters held so far; see [`super::filter::Operand::Absolute`].
    pub(super) absolutes: usize,
}

/// The path `text` spells as a whole.
pub(super) fn path(text: &str) -> Result<Path, Unreadable> {
    if text.len() > PATH_BYTES_MAX {
        let fault = Fault::new(Limit::PathBytes, PATH_BYTES_MAX, text.len());
        return Err(Unreadable::OverLimit(fault));
    }
    if text.starts_with('@') || text != text.trim() {
        return Err(Unreadable::Malformed);
    }
    let mut parser = Parser::new(text);
    if !parser.eat('$') || !matches!(parser.peek(), None | Some('.' | '[')) {
        parser = Parser::new(&format!("$.{text}"));
        parser.eat('$');
    }
    let segments = parser.segments(Ends::AtEnd).filter(|_| parser.peek().is_none());
    match (segments, parser.over_limit) {
        (Some(segments), _) => Ok(Path { segments, absolutes: parser.absolutes }),
        (None, Some(fault)) => Err(Unreadable::OverLimit(fault)),
        (None, None) => Err(Unreadable::Malformed),
    }
}

/// Where a path inside a text may stop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// Only at the end of the text.
    AtEnd,
    /// Before the operators, blanks and closing brackets of a filter.
    InFilter,
}

impl Parser {
    pub(super) fn new(text: &str) -> Self {
        Self {
            chars: text.chars().collect(),
            position: 0,
            depth_left: PATH_DEPTH_MAX,
            over_limit: None,
            absolutes: 0,
        }
    }

    /// One more bracket or filter opens; `None` when that is one too many.
    pub(super) fn descend(&mut self) -> Option<()> {
        if let Some(left) = self.depth_left.checked_sub(1) {
            self.depth_left = left;
            return Some(());
        }
        let fault = Fault::new(Limit::PathDepth, PATH_DEPTH_MAX, PATH_DEPTH_MAX + 1);
        self.over_limit = Some(fault);
        None
    }

    /// The innermost bracket or filter has closed.
    pub(super) fn ascend(&mut self) {
        self.depth_left += 1;
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.chars.get(self.position).copied()
    }

    pub(super) fn advance(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.position += 1;
        Some(next)
    }

    pub(super) fn eat(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        self.position += usize::from(found);
        found
    }

    pub(super) fn eat_all(&mut self, expected: &str) -> bool {
        let rest = self.chars.get(self.position..).unwrap_or(&[]);
        let found = expected.chars().enumerate().all(|(i, c)| rest.get(i) == Some(&c));
        if found {
            self.position += expected.chars().count();
        }
        found
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.position += 1;
        }
    }

    /// Takes characters while `wanted` holds.
    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(next) = self.peek().filter(|c| wanted(*c)) {
            taken.push(next);
            self.position += 1;
        }
        taken
    }

    /// A text in single or double quotes; a backslash takes the next character as it is.
    pub(super) fn quoted(&mut self) -> Option<String> {
        let quote = self.advance().filter(|c| matches!(c, '\'' | '"'))?;
        let mut text = String::new();
        loop {
            match self.advance()? {
                '\\' => text.push(self.advance()?),
                end if end == quote => return Some(text),
                other => text.push(other),
            }
        }
    }

    pub(super) fn integer(&mut self) -> Option<i64> {
        let sign = if self.eat('-') { "-" } else { "" };
        let digits = self.take_while(|c| c.is_ascii_digit());
        format!("{sign}{digits}").parse().ok()
    }

    /// The segments up to the end of the path.
    pub(super) fn segments(&mut self, ends: Ends) -> Option<Vec<Segment>> {
        let mut segments = Vec::new();
        loop {
            match self.peek() {
                None => break,
                Some('.') => self.dot_segment(&mut segments, ends)?,
                Some('[') if self.position + 1 == self.chars.len() => {
                    // Conductor reads the unclosed `l[` as `l`.
                    self.position += 1;
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
        self.position += 1;
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
        self.position += 1;
        self.descend()?;
        self.skip_blanks();
        let segment = match self.peek()? {
            '?' => Segment::Filter(self.filter()?),
            '*' => {
                self.position += 1;
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
        self.position += 1;
        self.skip_blanks();
        if !self.eat('(') {
            return None;
        }
        let condition = filter::condition(self)?;
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
