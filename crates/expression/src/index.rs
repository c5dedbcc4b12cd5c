//! Where the members and elements of a large document begin, so that only the first of many reads
//! walks all of it.
//!
//! The index is kept with its [`Payload`] and depends on nothing but its text, so a lookup costs the
//! same whether or not the index exists already.
use crate::raw;
use baton_common::payload::Payload;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

/// Smallest object or list that is indexed, bytes: a smaller one is walked in a few microseconds.
const CONTAINER_BYTES_MIN: usize = 4 * 1024;
/// Distance between the elements of a list whose positions are kept, bytes: what a lookup walks.
const CHECKPOINT_BYTES: usize = 1024;
/// Deepest level that is indexed: bounds the size of the index of brackets in brackets.
const INDEX_DEPTH_MAX: usize = 64;
/// What a lookup in an index reads, bytes.
pub(crate) const LOOKUP_BYTES: usize = CHECKPOINT_BYTES;

/// The large objects and lists of one document. Takes at most about twice the document's memory,
/// for an object of the shortest members possible; for most a few percent.
#[derive(Debug)]
pub(crate) struct Index {
    /// In the order of their starts.
    containers: Vec<Container>,
    /// Of a list: the number and the position of some elements. Of an object: hash and position of
    /// every key, in the order of [`key_order`].
    entries: Vec<(u32, u32)>,
}

/// An object or a list.
#[derive(Debug)]
pub(crate) struct Container {
    start: u32,
    end: u32,
    /// How many members or elements it has.
    length: u32,
    entries: Range<u32>,
}

impl Container {
    /// How many members or elements it has.
    pub(crate) fn length(&self) -> usize {
        to_usize(self.length)
    }
}

impl Index {
    /// The index of `payload`, made now if this is the first time; `None` for a payload that is too
    /// small to need one.
    pub(crate) fn of(payload: &Payload) -> Option<&Self> {
        let is_large = payload.len_bytes() >= CONTAINER_BYTES_MIN;
        let is_addressable = u32::try_from(payload.len_bytes()).is_ok();
        (is_large && is_addressable).then(|| payload.derived(build)).flatten()
    }

    /// The container that starts at the byte `start`, if it is a large one.
    pub(crate) fn container(&self, start: usize) -> Option<&Container> {
        let start = u32::try_from(start).ok()?;
        let found = self.containers.binary_search_by_key(&start, |container| container.start);
        found.ok().and_then(|position| self.containers.get(position))
    }

    /// The value of the last member `name` of the object `container` of the document `text`.
    pub(crate) fn member<'a>(
        &self,
        text: &'a str,
        container: &Container,
        name: &str,
    ) -> Option<&'a str> {
        let entries = self.entries_of(container);
        let wanted = (hash(name), name);
        let after = entries.partition_point(|entry| {
            let order = entry.0.cmp(&wanted.0);
            order.then_with(|| key_at(text, entry.1).as_ref().cmp(wanted.1)) != Ordering::Greater
        });
        let (_, key) = *entries.get(after.checked_sub(1)?)?;
        if key_at(text, key) != name {
            return None;
        }
        let key_end = raw::string_end(text.as_bytes(), to_usize(key));
        let colon = raw::blanks_end(text.as_bytes(), key_end);
        self.value(text, raw::blanks_end(text.as_bytes(), colon + 1))
    }

    /// The element at `position` of the list `container` of the document `text`.
    pub(crate) fn element<'a>(
        &self,
        text: &'a str,
        container: &Container,
        position: usize,
    ) -> Option<&'a str> {
        if position >= container.length() {
            return None;
        }
        let entries = self.entries_of(container);
        let after = entries.partition_point(|(number, _)| to_usize(*number) <= position);
        let (number, offset) = *entries.get(after.checked_sub(1)?)?;
        let mut start = to_usize(offset);
        for _ in to_usize(number)..position {
            start = raw::next_item(text.as_bytes(), raw::value_end(text.as_bytes(), start));
        }
        self.value(text, start)
    }

    /// The value that starts at `start`.
    fn value<'a>(&self, text: &'a str, start: usize) -> Option<&'a str> {
        let end = match self.container(start) {
            Some(container) => to_usize(container.end),
            None => raw::value_end(text.as_bytes(), start),
        };
        text.get(start..end)
    }

    fn entries_of(&self, container: &Container) -> &[(u32, u32)] {
        let range = to_usize(container.entries.start)..to_usize(container.entries.end);
        self.entries.get(range).unwrap_or(&[])
    }
}

fn to_usize(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// An offset; the caller has checked that the document's length fits.
fn to_u32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// The decoded key whose quote stands at `offset`.
fn key_at(text: &str, offset: u32) -> Cow<'_, str> {
    let start = to_usize(offset);
    let end = raw::string_end(text.as_bytes(), start);
    text.get(start..end).and_then(raw::text).unwrap_or_default()
}

/// FNV-1a. Keys of equal hash are told apart by their text, so it need not resist an attacker.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// An object or list that is still open.
struct Open {
    start: usize,
    is_object: bool,
    /// In an object: the next string is a key.
    expects_key: bool,
    length: u32,
    /// Where the last element is whose position was kept.
    checkpoint: Option<usize>,
    /// Where its entries begin among those that wait.
    waiting_from: usize,
}

/// The state of one pass over a document.
struct Builder<'t> {
    text: &'t str,
    open: Vec<Open>,
    /// Entries of the open containers.
    waiting: Vec<(u32, u32)>,
    index: Index,
}

fn build(text: &str) -> Index {
    let index = Index { containers: Vec::new(), entries: Vec::new() };
    let mut builder = Builder { text, open: Vec::new(), waiting: Vec::new(), index };
    builder.walk();
    let mut index = builder.index;
    index.containers.sort_unstable_by_key(|container| container.start);
    index.containers.shrink_to_fit();
    index.entries.shrink_to_fit();
    index
}

impl Builder<'_> {
    fn walk(&mut self) {
        let bytes = self.text.as_bytes();
        let mut position = 0;
        while let Some(byte) = bytes.get(position) {
            position = match byte {
                b'{' | b'[' => {
                    self.item(position);
                    self.enter(position, *byte == b'{')
                }
                b'}' | b']' => {
                    self.close(position + 1);
                    position + 1
                }
                b',' => {
                    if let Some(open) = self.open.last_mut() {
                        open.expects_key = open.is_object;
                    }
                    position + 1
                }
                b':' | b' ' | b'\t' | b'\n' | b'\r' => position + 1,
                _ => {
                    self.item(position);
                    raw::value_end(bytes, position).max(position + 1)
                }
            };
        }
    }

    /// A key, a value or an element starts here.
    fn item(&mut self, position: usize) {
        let Some(open) = self.open.last_mut() else { return };
        if open.is_object {
            if std::mem::take(&mut open.expects_key) {
                open.length += 1;
                self.waiting.push((0, to_u32(position)));
            }
            return;
        }
        let is_near = open.checkpoint.is_some_and(|last| position - last < CHECKPOINT_BYTES);
        if !is_near {
            open.checkpoint = Some(position);
            self.waiting.push((open.length, to_u32(position)));
        }
        open.length += 1;
    }

    /// Where to go on behind an opening bracket.
    fn enter(&mut self, start: usize, is_object: bool) -> usize {
        if self.open.len() >= INDEX_DEPTH_MAX {
            return raw::value_end(self.text.as_bytes(), start);
        }
        let waiting_from = self.waiting.len();
        let open = Open {
            start,
            is_object,
            expects_key: is_object,
            length: 0,
            checkpoint: None,
            waiting_from,
        };
        self.open.push(open);
        start + 1
    }

    /// Keeps the innermost container, which ends here, if it is large.
    fn close(&mut self, end: usize) {
        let Some(open) = self.open.pop() else { return };
        if end - open.start >= CONTAINER_BYTES_MIN {
            let first = self.index.entries.len();
            let own = self.waiting.get_mut(open.waiting_from..).unwrap_or_default();
            if open.is_object {
                sort_keys(self.text, own);
            }
            self.index.entries.extend_from_slice(own);
            let entries = to_u32(first)..to_u32(self.index.entries.len());
            let (start, end, length) = (to_u32(open.start), to_u32(end), open.length);
            self.index.containers.push(Container { start, end, length, entries });
        }
        self.waiting.truncate(open.waiting_from);
    }
}

/// Fills in the hashes of keys and sorts by hash, then key, then position.
fn sort_keys(text: &str, keys: &mut [(u32, u32)]) {
    for entry in keys.iter_mut() {
        entry.0 = hash(&key_at(text, entry.1));
    }
    keys.sort_unstable_by(|a, b| {
        a.0.cmp(&b.0)
            .then_with(|| key_at(text, a.1).cmp(&key_at(text, b.1)))
            .then_with(|| a.1.cmp(&b.1))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    fn payload(json: String) -> Payload {
        Payload::parse(json).unwrap()
    }

    /// Every member and element that walking finds, the index finds too.
    fn check(json: String) {
        let payload = payload(json);
        let (text, index) = (payload.get(), Index::of(&payload).unwrap());
        for container in &index.containers {
            let node = text.get(to_usize(container.start)..to_usize(container.end)).unwrap();
            let elements: Vec<&str> = raw::elements(node).collect();
            let members: Vec<_> = raw::members(node).collect();
            assert_eq!(container.length(), elements.len() + members.len());
            for (position, element) in elements.iter().enumerate() {
                assert_eq!(index.element(text, container, position), Some(*element));
            }
            for (key, _) in &members {
                let name = raw::text(key).unwrap();
                assert_eq!(index.member(text, container, &name), raw::member(node, &name));
            }
            if node.starts_with('[') {
                assert_eq!(index.element(text, container, elements.len()), None);
            } else {
                assert_eq!(index.member(text, container, "no such member"), None);
            }
        }
    }

    #[test]
    fn an_index_finds_what_walking_finds() {
        let numbers =
            |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        check(format!("[{}]", numbers(2_000)));
        check(format!("  [ {} ]  ", numbers(3_000).replace(',', " ,\n")));
        let mut object = String::from("{");
        for n in 0..500 {
            write!(object, "\"k{n}\" : {{\"v\":[{n}, \"}}]\"]}},").unwrap();
        }
        check(format!("{object}\"k5\":\"last\",\"\\u006b6\":\"escaped\",\"\":0}}"));
        let large = format!("\"{}\"", "x\\\"".repeat(5_000));
        check(format!("{{\"a\":[{large},1,{{\"b\":{large}}}],\"c\":[[{}],[]]}}", numbers(4_000)));
    }

    #[test]
    fn deep_nesting_is_indexed_to_a_bound() {
        let (depth, inner) = (1_000, "1,".repeat(4_000) + "1");
        let deep = format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth));
        let payload = payload(deep.clone());
        let index = Index::of(&payload).unwrap();
        assert_eq!(index.containers.len(), INDEX_DEPTH_MAX);
        check(deep);
    }

    #[test]
    fn keys_of_one_hash_are_told_apart_and_the_last_of_equal_ones_counts() {
        let (mut seen, mut n) = (std::collections::HashMap::new(), 0);
        let (first, second) = loop {
            let name = format!("key-{n}");
            if let Some(other) = seen.insert(hash(&name), name.clone()) {
                break (other, name);
            }
            n += 1;
        };
        let filler = "x".repeat(CONTAINER_BYTES_MIN);
        let json = format!(r#"{{"{first}":1,"{second}":2,"f":"{filler}","{first}":3}}"#);
        let payload = payload(json);
        let (text, index) = (payload.get(), Index::of(&payload).unwrap());
        let container = index.container(0).unwrap();
        assert_eq!(index.member(text, container, &first), Some("3"));
        assert_eq!(index.member(text, container, &second), Some("2"));
    }

    /// Exactly the containers of the least size and above are indexed.
    #[test]
    fn small_documents_have_no_index() {
        let of = |bytes: usize| payload(format!("\"{}\"", "x".repeat(bytes - 2)));
        assert!(Index::of(&of(CONTAINER_BYTES_MIN - 1)).is_none());
        assert!(Index::of(&of(CONTAINER_BYTES_MIN)).is_some());
        let list = |bytes: usize| payload(format!("[[\"{}\"]]", "x".repeat(bytes - 4)));
        assert!(Index::of(&list(CONTAINER_BYTES_MIN - 1)).unwrap().container(1).is_none());
        assert!(Index::of(&list(CONTAINER_BYTES_MIN)).unwrap().container(1).is_some());
    }
}
