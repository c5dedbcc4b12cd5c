"""The tests' own tools: a checker that finds nothing has to be shown to find something."""
import collections
import copy
import importlib
import json
import os
import pathlib
import sys
import tempfile

import conformance
import docs
import quirks
from harness import places, postgres, waiting
from program import planted

END_SECONDS = 5
REPLAY_SAYS = """switch--default: 2 differences
    status: expected "COMPLETED", got "FAILED"
    tasks.a#1.status: expected "COMPLETED", is absent
outputs--none: 1 differences
    output: unexpected 3
7 passed, 2 failed
"""
PLANTED = {
    "crates/api-gateway/src/x.rs": "use a;\npub async fn long() {\n" + "    step();\n" * 60 + "}\n",
    "crates/common/src/clock.rs": "//! A clock.\nfn now() { std::time::SystemTime::now(); }\n",
    "crates/store/src/tests.rs": "//! Tests.\nfn nap() { std::thread::sleep(x); }\n",
    "crates/store-sqlite/src/sql/a.sql": "select 1\n",
    "docs/a.md": "lies in /hom" + "e/x and /roo" + "t/x\n",
    "crates/client/src/b.rs": "//! B.\nfn b() { std::env::var(\"X\"); }\n// TO" + "DO later\n#[igno" + "re]\n",
    "crates/client/src/long.rs": "//! Long.\n" + "fn a() {}\n" * 601,
}
# What is wrong with a page -> the page.
WRONG_PAGES = {
    "neither run nor marked": "```json\n{}\n```\n",
    "an unknown mark": "```sh when=later\n:\n```\n",
    "more than one mark": "```sh file=a not-run=b\n:\n```\n",
    "ends with 1": "```console\n$ false\n$ true\n```\n",
    "it prints": "```console\n$ echo one; echo two\none\n```\n",
    "begins with output": "```console\none\n$ echo one\n```\n",
    "it fails": "```sh\nfalse\ntrue\n```\n",
    "has no such lines": "```text file=a\none\n```\n\n```text part-of=a\ntwo\n```\n",
    "there is no suite": "```sh run-by=nobody\n:\n```\n",
    "does not run these lines": "```sh run-by=backup\nrm -rf /nothing\n```\n",
    "does not install": "```sh installed=python\npip install something-else\n```\n",
}
RIGHT_PAGE = """
- In a list:

  <!-- given
  word=two
  until false; do :; done & echo $! >busy
  -->

  ```console
  $ echo one; echo $word 019cb3a0-6f3e-7c51-8f0e-0242ac120002
  …
  two 019cb3a0-6f3e-7c51-8f0e-0242ac120003
  $ (exit 3)
  $ echo $?
  3
  ```
"""


# A crate in which each file needs only what stands above it: deep.rs, part/mod.rs, part/leaf.rs, lib.rs.
STRAIGHT = {
    "lib.rs": """mod deep;
mod part;
pub use part::*;
pub trait Grow {}
fn top() { let _: deep::Deep = part::grown(); }
""",
    "deep.rs": """//! See [`Leaf`](crate::Leaf).
use anyhow::anyhow;
pub struct Deep { quote: char }
pub fn text<'a>(_: &'a str) { let _ = ('{', "crate::top()", r#"use crate::top;"#, anyhow::anyhow); }
#[cfg(test)]
mod tests {
    fn a(_: crate::Leaf) { crate::top() }
}
""",
    "part/mod.rs": """mod leaf;
use crate::deep::{self, Deep};
pub use leaf::Leaf;
pub struct Trunk;
pub fn grown() -> Deep { deep::text() }
""",
    "part/leaf.rs": """use super::{Deep, Trunk};
pub struct Leaf(Trunk, Deep);
pub mod inner { pub struct Seed(super::Trunk); }
""",
}
# (file, the line that closes a circle, what the fault says)
CIRCLE_LINES = [
    ("deep.rs", "use crate::Leaf;\nfn a(_: Leaf) {}\n", "part/leaf.rs (Leaf) -> deep.rs (Deep)"),
    ("deep.rs", "fn a() { crate::part::Leaf::b() }\n", "part/leaf.rs (Leaf) -> deep.rs (Deep)"),
    ("deep.rs", "use crate::part;\nfn a(_: part::Trunk) {}\n", "part/mod.rs (Trunk) -> deep.rs (Deep, text)"),
    ("deep.rs", "use super::{part::{Leaf as Old}, Grow};\nfn a(_: Old) {}\n", "deep.rs, lib.rs, part/leaf.rs, part/mod.rs"),
    ("deep.rs", "use crate::part::*;\nfn a(_: Trunk) {}\n", "part/mod.rs (Trunk) -> deep.rs (Deep, text)"),
    ("deep.rs", "#[serde(\n    default,\n    with = \"super::top\"\n)]\n", "lib.rs (top) -> deep.rs (Deep)"),
    ("deep.rs", "use crate::Grow;\n", "lib.rs (Grow) -> deep.rs (Deep)"),
    ("part/mod.rs", "fn a(_: Leaf) {}\n", "part/mod.rs (Trunk) -> part/leaf.rs (Leaf)"),
    ("part/mod.rs", "fn a(_: leaf::inner::Seed) {}\n", "part/mod.rs (Trunk) -> part/leaf.rs (Seed)"),
]


def run(_, results):
    """Cases that need no server."""
    with results.case("self: a quirk's changes turn the recorded answer into ours"):
        check_quirks()
    with results.case("self: what the replay says is read"):
        names = {"switch--default": "switch/default", "outputs--none": "outputs/none"}
        found = conformance.parse(REPLAY_SAYS, names)
        assert found.keys() == {"switch/default", "outputs/none"} and "is absent" in found["switch/default"], found
    with results.case("self: tidy finds what is planted"):
        check_tidy()
    with results.case("self: tidy finds circles of imports, and none where there is none"):
        check_circles()
    with results.case("self: the documentation's suite finds what is planted"):
        check_docs()
    with results.case("self: the judge of random programs finds what is planted"):
        planted.check()
    with results.case("self: random programs shrink"):
        planted.check_shrinking()
    with results.case("self: a throw-away PostgreSQL survives a power cut"):
        check_postgres()


def check_quirks():
    """`difference` and `patched` undo each other, for answers with tasks, dots in keys and nesting."""
    old = {"status": "COMPLETED", "output": {"a.b": 1, "c": [1, 2]},
           "tasks": [{"ref": "x", "attempt": 1, "inputData": {"k": "v"}}, {"ref": "x", "attempt": 2, "status": "FAILED"}]}
    new = {"status": "FAILED", "output": {"a.b": 2, "c": [1, 2], "d.e": {"f": 1}},
           "tasks": [{"ref": "x", "attempt": 1, "inputData": {"k": "w", "l": None}}, {"ref": "y", "attempt": 1}]}
    together, removed = quirks.difference(old, new)
    with tempfile.TemporaryDirectory() as folder:
        before, quirks.FOLDER = quirks.FOLDER, pathlib.Path(folder)
        try:
            quirks.path_of("a/b").write_text(json.dumps({"answer": "x", "set": together, "remove": removed}))
            assert quirks.patched({"expected": copy.deepcopy(old)}, "a/b")["expected"] == new, (together, removed)
        finally:
            quirks.FOLDER = before


def tool(name):
    """A program of `tools`, as a module."""
    folder = str(places.ROOT / "tools")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


def check_circles():
    """A crate without a circle has one once any of the lines of `CIRCLE_LINES` is added to it."""
    circles = tool("circles")
    assert not found_circles(circles, STRAIGHT), "an import that is none makes a circle"
    for file, line, told in CIRCLE_LINES:
        found = found_circles(circles, STRAIGHT | {file: STRAIGHT[file] + line})
        assert len(found) == 1 and told in found[0], f"{line} in {file}: {found}"


def found_circles(circles, files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder) / "planted" / "src" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert not list(circles.circle_faults(pathlib.Path(folder), {"planted"})), "not yet is not yet"
        return list(circles.circle_faults(pathlib.Path(folder)))


def check_tidy():
    tidy = tool("tidy")
    for name, text in PLANTED.items():
        suffix = "." + name.rsplit(".", 1)[1]
        found = list(tidy.faults_of_file(name, suffix, text))
        assert found, f"nothing found in {name}"
    clean = "//! Fine.\nfn a() {}\n#[cfg(test)]\nmod tests {\n" + "fn b() {}\n" * 700 + "}\n"
    assert not list(tidy.faults_of_file("crates/store/src/a.rs", ".rs", clean)), "tests count as the file's own lines"
    graph = {"normal": {"baton-api-gateway": {"baton-store-sqlite"}, "baton-store-sqlite": {"rusqlite"}}, "tests": {}}
    found = list(tidy.faults_of_crate("baton-api-gateway", graph, {"baton-api-gateway", "baton-store-sqlite"}))
    assert len(found) == 2, found


def check_docs():
    """Each wrong page is told by its fault; the right one has none, and nothing of it runs on when it is over."""
    places.LOGS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        before, docs.FOLDERS = docs.FOLDERS, pathlib.Path(folder)
        try:
            for number, (fault, text) in enumerate(WRONG_PAGES.items()):
                found = fault_of_page(f"wrong-{number}.md", text)
                assert found and fault in found, f"{fault}: {found}"
            found = fault_of_page("right.md", RIGHT_PAGE)
            assert found is None, found
            busy = int((docs.FOLDERS / "right" / "busy").read_text())
            waiting.until(lambda: not lives(busy), END_SECONDS, "what a page started ends with it")
        finally:
            docs.FOLDERS = before


def lives(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def fault_of_page(name, text):
    path = docs.FOLDERS / name
    path.write_text(text)
    outcome = docs.Outcome(name, collections.Counter(), collections.Counter())
    try:
        docs.run_page(path, outcome, docs.Needs())
    except AssertionError as error:
        return str(error)
    return None


def check_postgres():
    server = postgres.Postgres()
    try:
        url = server.database()
        server.sql(url, "create table kept (n int); insert into kept values (7)")
        server.stop_at_once()
        server.start()
        assert server.sql(url, "select n from kept") == "7"
        assert server.sql(url, "show fsync") == "on"
        assert pathlib.Path("/proc", pid_of(server)).stat().st_uid != 0, "PostgreSQL runs as root"
    finally:
        server.close()
    assert not server.home.exists(), "files are left"


def pid_of(server):
    return (server.data / "postmaster.pid").read_text().split()[0]
