//! The page of the manual about settings, written from their table.
use super::setting::{Readers, SETTINGS, Setting};
use std::fmt::Write;

const HEAD: &str = "# Settings

Written from the code by `baton config describe`; a test compares.

Each setting has one name, with which it is a flag (`--listen`), an environment variable (`BATON_LISTEN`) or a key of the TOML file that `--config` or `BATON_CONFIG` names (`listen = \"…\"`).
A flag comes before the environment, the environment before the file, the file before the default.
Unknown keys and variables are rejected, with a suggestion.
All values are read before anything else happens, and every fault is reported at once.
`baton config show` prints each value with its origin; secrets, and passwords in addresses, are masked.

```toml file=baton.toml
# baton.toml
listen = \"0.0.0.0:8080\"
database-url = \"postgres://baton@db/baton\"
http-slots = 128
```

Every setting is there since 0.1.0, unless it says otherwise.
";

/// The whole page, in Markdown, one sentence a line.
pub(crate) fn page() -> String {
    SETTINGS.iter().fold(HEAD.to_owned(), |mut page, setting| {
        section(&mut page, setting);
        page
    })
}

fn section(page: &mut String, setting: &Setting) {
    let (key, variable) = (setting.key, setting.variable());
    let default = match setting.default {
        "" => "none".to_owned(),
        value => format!("`{value}`"),
    };
    let secret = if setting.secret { "; a secret" } else { "" };
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "\n## {key}\n\n{}\n\nFlag `--{key} {}`, variable `{variable}`, default {default}{secret}.\nRead by {}.\n",
        one_sentence_a_line(&setting.doc.replace('<', "\\<")),
        setting.value_name,
        readers(setting.readers),
    );
}

fn one_sentence_a_line(doc: &str) -> String {
    let mut lines = format!("{doc}.");
    let ends: Vec<usize> = lines.match_indices(". ").map(|(end, _)| end).collect();
    for end in ends.into_iter().rev() {
        if lines[end + 2..].starts_with(char::is_uppercase) {
            lines.replace_range(end..end + 2, ".\n");
        }
    }
    lines
}

fn readers(readers: Readers) -> &'static str {
    match readers {
        Readers::Database => "`server`, `gateway`, `migrate`, `backup` and `restore`",
        Readers::Engine => "`server`, `gateway` and `migrate`",
        Readers::Worker => "`server` and `executor`",
        Readers::Executor => "`executor`",
        Readers::Caller => "`executor`, `definition` and `workflow`",
        Readers::All => "`server`, `gateway`, `executor` and `migrate`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_the_manual_is_written_from_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page(), "`baton config describe > docs/settings.md` writes it anew");
    }

    #[test]
    fn every_sentence_has_a_line() {
        assert_eq!(one_sentence_a_line("A, e.g. b. Then c"), "A, e.g. b.\nThen c.");
    }
}
