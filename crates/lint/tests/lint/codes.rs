//! The page of the manual about the codes, written from them.
use baton_lint::Code;
use std::fmt::Write;

const HEAD: &str = "# What the lint says

Written from the list of codes; a test compares, and with `BATON_UPDATE_MANUAL=1` writes it.

A definition that breaks a rule is refused: [errors.md](errors.md#validation) has the rules.
A definition that keeps the rules but is probably not what you mean is accepted with *warnings*.
[How to check definitions](../how-to/check-definitions.md) says where you see them, and how to make them fail a build.

Each warning has a `code` from this page, a `pointer` (a JSON pointer into the definition) and a `message`.
They come all at once, in the order of the document; a report has at most 100, and says how many it leaves out.
Codes are stable: a later version may add some, and never gives one another meaning.

| code | what it says | what to do |
|---|---|---|
";

#[test]
fn the_page_of_the_manual_is_written_from_the_codes() {
    let mut page = HEAD.to_owned();
    for code in Code::ALL {
        let _ = writeln!(page, "| `{}` | {} | {} |", code.name(), code.meaning(), code.advice());
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/lint.md");
    if std::env::var("BATON_UPDATE_MANUAL").is_ok() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == page, "BATON_UPDATE_MANUAL=1 writes docs/reference/lint.md anew");
}

#[test]
fn a_code_is_written_as_its_name() {
    for code in Code::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), code.name());
    }
}
