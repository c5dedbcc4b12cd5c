//! Where tokens find their values.
use std::borrow::Cow;

/// Where tokens find their documents. Implemented by the decider over an execution.
pub trait Scope {
    /// JSON text of the field `field` of the document `root` ("workflow" or a task's reference
    /// name), such as ("workflow", "input") or ("t1", "output"). `None`: no such root or field.
    fn field(&self, root: &str, field: &str) -> Option<Cow<'_, str>>;

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
    fn document(&self) -> Option<Cow<'_, str>> {
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
    fn field(&self, _root: &str, _field: &str) -> Option<Cow<'_, str>> {
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

    fn document(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.0))
    }
}
