//! Where tokens find their values.
use baton_common::payload::Payload;
use std::borrow::Cow;

/// A JSON document that tokens read.
#[derive(Clone, Debug)]
pub enum Document<'a> {
    /// A value that is kept: what a first read of a large one learns makes the next ones cheap.
    Payload(&'a Payload),
    /// A text, which each read walks anew.
    Text(Cow<'a, str>),
}

impl Document<'_> {
    /// The JSON text.
    pub fn text(&self) -> &str {
        match self {
            Self::Payload(payload) => payload.get(),
            Self::Text(text) => text,
        }
    }

    pub(crate) fn payload(&self) -> Option<&Payload> {
        match self {
            Self::Payload(payload) => Some(payload),
            Self::Text(_) => None,
        }
    }
}

impl From<String> for Document<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a> From<&'a str> for Document<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a Payload> for Document<'a> {
    fn from(payload: &'a Payload) -> Self {
        Self::Payload(payload)
    }
}

/// Where tokens find their documents. Implemented by the decider over an execution.
pub trait Scope {
    /// The field `field` of the document `root` ("workflow" or a task's reference
    /// name), such as ("workflow", "input") or ("t1", "output"). `None`: no such root or field.
    fn field(&self, root: &str, field: &str) -> Option<Document<'_>>;

    /// Names of the fields a root has, in the order they are written, for paths that need the
    /// whole document (`${t1}`, `${workflow.*}`); `None` when there is no such root.
    fn fields(&self, root: &str) -> Option<&'static [&'static str]>;

    /// What a token stands for that is one bare word and no root, such as `CPEWF_TASK_ID`.
    fn word(&self, word: &str) -> Word;

    /// The value of `workflow.env.NAME`.
    fn environment(&self, name: &str) -> Option<String>;

    /// The one document all tokens read, where there is one: the payload of an event.
    ///
    /// With it `${x}` and `${$.x}` read the member `x`, `${$}` the whole, and the other methods
    /// are not called.
    fn document(&self) -> Option<Document<'_>> {
        None
    }
}

/// What a single word stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// This text.
    Value(String),
    /// Nothing: the token resolves to null.
    Unknown,
    /// The token itself: its text stays.
    Literal,
}

/// A scope that is one JSON document, such as the payload of an event.
#[derive(Clone, Copy, Debug)]
pub struct DocumentScope<'a>(&'a str);

impl<'a> DocumentScope<'a> {
    /// Tokens read the JSON text `document`.
    pub fn new(document: &'a str) -> Self {
        Self(document)
    }
}

impl Scope for DocumentScope<'_> {
    fn field(&self, _root: &str, _field: &str) -> Option<Document<'_>> {
        None
    }

    fn fields(&self, _root: &str) -> Option<&'static [&'static str]> {
        None
    }

    fn word(&self, _word: &str) -> Word {
        Word::Unknown
    }

    fn environment(&self, _name: &str) -> Option<String> {
        None
    }

    fn document(&self) -> Option<Document<'_>> {
        Some(Document::from(self.0))
    }
}
