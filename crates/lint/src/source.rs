//! What a script reads, as far as its text tells: members of its input, `$.name` and `$['name']`.

/// The members of its input that a script reads and does not set, each once.
pub(crate) fn inputs_read(source: &str) -> Vec<String> {
    let mut scan = Scan { bytes: source.as_bytes(), source, position: 0 };
    let (mut read, mut set) = (Vec::new(), Vec::new());
    while let Some((name, is_set)) = scan.next_member() {
        let names = if is_set { &mut set } else { &mut read };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    read.retain(|name| !set.contains(name));
    read
}

struct Scan<'s> {
    source: &'s str,
    bytes: &'s [u8],
    position: usize,
}

impl Scan<'_> {
    /// The next member of `$` and whether it is set there; texts and comments are passed over.
    fn next_member(&mut self) -> Option<(String, bool)> {
        while let Some(byte) = self.bytes.get(self.position).copied() {
            match byte {
                b'\'' | b'"' => self.skip_text(byte),
                b'/' if self.starts_with("//") => self.skip_to("\n"),
                b'/' if self.starts_with("/*") => self.skip_to("*/"),
                b'$' if !self.is_within_word() => {
                    self.position += 1;
                    if let Some(name) = self.member() {
                        return Some((name, self.is_set()));
                    }
                }
                _ => self.position += 1,
            }
        }
        None
    }

    fn starts_with(&self, text: &str) -> bool {
        self.bytes[self.position..].starts_with(text.as_bytes())
    }

    fn skip_to(&mut self, end: &str) {
        let rest = &self.source[self.position + 1..];
        let length = rest.find(end).map_or(rest.len(), |at| at + end.len());
        self.position += 1 + length;
    }

    fn skip_text(&mut self, quote: u8) {
        self.position += 1;
        while let Some(byte) = self.bytes.get(self.position).copied() {
            self.position += if byte == b'\\' { 2 } else { 1 };
            if byte == quote || byte == b'\n' {
                break;
            }
        }
    }

    fn is_within_word(&self) -> bool {
        let before = self.position.checked_sub(1).and_then(|at| self.bytes.get(at));
        before.is_some_and(|byte| is_word(*byte) || *byte == b'.')
    }

    /// `.name`, `?.name` or `['name']`, behind a `$`.
    fn member(&mut self) -> Option<String> {
        let rest = &self.source[self.position..];
        if let Some(name) = rest.strip_prefix("?.").or_else(|| rest.strip_prefix('.')) {
            let length = name.bytes().take_while(|byte| is_word(*byte)).count();
            self.position += rest.len() - name.len() + length;
            return (length > 0).then(|| name[..length].to_owned());
        }
        let inner = rest.strip_prefix('[')?;
        let quote = inner.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let (name, _) = inner[1..].split_once(quote)?;
        let behind = &inner[name.len() + 2..];
        self.position += 3 + name.len();
        behind.starts_with(']').then(|| {
            self.position += 1;
            name.to_owned()
        })
    }

    /// Whether an assignment follows.
    fn is_set(&self) -> bool {
        let rest = self.source.get(self.position..).unwrap_or("").trim_start();
        rest.starts_with('=') && !rest.starts_with("==") && !rest.starts_with("=>")
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_the_input_are_found_outside_of_texts_and_comments() {
        for (source, read) in [
            ("$.a + $['b'] + $[\"c\"]", vec!["a", "b", "c"]),
            ("$.a.b.c > $.a", vec!["a"]),
            ("// $.x\n/* $.y */ $.z", vec!["z"]),
            ("'$.x' + \"$['y']\" + $.z", vec!["z"]),
            ("$.made = 1; $.made + $.a", vec!["a"]),
            ("$.a == 1 && $?.b", vec!["a", "b"]),
            ("jq$.a; x.$.b; $", vec![]),
            ("$.größe + $[i]", vec!["größe"]),
            ("'it\\'s $.x' + $.a", vec!["a"]),
        ] {
            assert_eq!(inputs_read(source), read, "{source}");
        }
    }
}
