//! One reason to refuse a definition.

/// One reason to refuse a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it is in the document, as a JSON pointer: `/tasks/2/name`.
    pub pointer: String,
    /// Where it is in Conductor's words, without the method: `tasks[2].name`; empty when it
    /// concerns the definition as a whole.
    pub path: String,
    /// What is wrong, in Conductor's words where it has any.
    pub message: String,
    /// The value found there, when it is a single one.
    pub invalid_value: Option<String>,
}

impl Fault {
    /// A fault of a member of the definition itself.
    pub(crate) fn of_member(
        name: &str,
        message: impl Into<String>,
        invalid_value: Option<String>,
    ) -> Self {
        let (pointer, path) = (format!("/{name}"), name.to_owned());
        Self { pointer, path, message: message.into(), invalid_value }
    }

    /// A fault that only the whole definition shows, at `pointer`.
    pub(crate) fn of_whole(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        let (pointer, message) = (pointer.into(), message.into());
        Self { pointer, path: String::new(), message, invalid_value: None }
    }
}
