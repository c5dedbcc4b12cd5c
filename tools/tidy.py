#!/usr/bin/env python3
"""Holds the rules that no compiler and no linter holds; prints one line for each break, nothing otherwise.

    tools/tidy.py            the rules about text, the direction of dependencies between the crates, and no circles within one
"""
import json
import pathlib
import re
import subprocess
import sys

import circles

ROOT = pathlib.Path(__file__).resolve().parents[1]
SKIPPED_FOLDERS = {".git", "target", "node_modules", ".work", "__pycache__"}
TEXT = {".rs", ".sql", ".md", ".py", ".mjs", ".js", ".ts", ".tsx", ".toml", ".json", ".yml", ".yaml", ".txt", ".sh", ""}
CODE = {".rs", ".py", ".mjs", ".js", ".ts", ".tsx"}

# Crate -> the crates of this workspace that it may name. An edge that is not here needs a line in docs/decisions.
EDGES = {
    "baton-common": set(),
    "baton-expression": {"baton-common"},
    "baton-decider": {"baton-expression", "baton-common"},
    "baton-lint": {"baton-decider", "baton-expression", "baton-common"},
    "baton-format": {"baton-decider", "baton-common"},
    "baton-store": {"baton-common"},
    "baton-telemetry": {"baton-common"},
    "baton-store-postgres": {"baton-store", "baton-telemetry", "baton-common"},
    "baton-store-sqlite": {"baton-store", "baton-telemetry", "baton-common"},
    "baton-orchestrator": {"baton-decider", "baton-format", "baton-expression", "baton-store", "baton-telemetry", "baton-common"},
    "baton-api-gateway": {"baton-orchestrator", "baton-lint", "baton-telemetry", "baton-common"},
    "baton-client": {"baton-common"},
    "baton-executor": {"baton-client", "baton-telemetry", "baton-common"},
    "baton-test-support": set(),
    "baton-simulator": {
        "baton-orchestrator", "baton-decider", "baton-format", "baton-store", "baton-expression", "baton-common",
    },
    "baton-bench": {"baton-store-postgres", "baton-store-sqlite", "baton-store", "baton-common"},
    "baton-server": {
        "baton-common", "baton-expression", "baton-decider", "baton-lint", "baton-store", "baton-store-postgres", "baton-store-sqlite",
        "baton-orchestrator", "baton-api-gateway", "baton-client", "baton-executor", "baton-bench", "baton-telemetry",
    },
}
# The same for tests only, beside EDGES: every crate may use test-support.
TEST_EDGES = {
    "baton-api-gateway": {"baton-store"},
    "baton-client": {"baton-api-gateway", "baton-orchestrator", "baton-store"},
    "baton-decider": {"baton-format"},
    "baton-executor": {"baton-api-gateway", "baton-orchestrator", "baton-store"},
    "baton-orchestrator": {"baton-store-sqlite"},
}
SQL_CRATES = {"tokio-postgres", "postgres", "deadpool-postgres", "rusqlite", "libsqlite3-sys", "sqlx"}
IMPURE_CRATES = {"tokio", "async-std", "mio", "hyper", "reqwest", "tracing", "log", "rand", "jiff", "chrono", "time"}
# Crate -> crates that it may not reach, not even through others.
UNREACHABLE = {
    "baton-common": SQL_CRATES | IMPURE_CRATES,
    "baton-decider": SQL_CRATES | {"tokio", "mio", "hyper", "reqwest", "tracing"},
    "baton-format": SQL_CRATES | {"tokio", "mio", "hyper", "reqwest", "tracing"},
    "baton-lint": SQL_CRATES | {"tokio", "mio", "hyper", "reqwest", "tracing"},
    "baton-expression": SQL_CRATES | {"tokio", "mio", "hyper", "reqwest"},
    "baton-store": SQL_CRATES,
    "baton-telemetry": SQL_CRATES | IMPURE_CRATES,
    "baton-orchestrator": SQL_CRATES,
    "baton-api-gateway": SQL_CRATES,
    "baton-executor": SQL_CRATES,
    "baton-client": SQL_CRATES,
}
# Crates whose own sources know no clock, no input or output, no randomness.
PURE_CRATES = ("common", "decider", "format", "lint", "telemetry")
IMPURE_WORDS = re.compile(
    r"SystemTime::now|Instant::now|Uuid::new_v4|Uuid::now_v7|std::(fs|net|process|thread)\b|\basync fn\b|\btracing::|\bprintln!")
READS_ENVIRONMENT = re.compile(r"\benv::(var|vars|var_os)\b")
MAY_READ_ENVIRONMENT = ("crates/server/", "crates/test-support/")

FILE_LINES_MAX = 600
HANDLER_LINES_MAX = 40
README_LINES_MAX = 200
# Tables of data, which grow by rows and not by ideas.
LONG_FILES_BY_NAME = set()

UNFINISHED = re.compile(r"\btodo!\(|\bunimplemented!\(|#\[ignore|\bshould_panic\b")
NAPS = re.compile(r"\bthread::sleep\(|\btokio::time::sleep\(|\btime::sleep\(")
# A label names the kind of debt and its issue: TODO-test(#12).
BARE_DEBT = re.compile(r"\b(?:TO[D]O(?!-(?:design|cleanup|test)\(#\d+\))|FIX[M]E|XX[X])\b")
# Written so that this file does not find itself.
OF_THIS_MACHINE = re.compile(
    r"/wor[k]/|/roo[t]/|/tm[p]/[a-z]+/|registry\.np[m]js|py[p]i\.org|pythonhoste[d]|static\.crate[s]|index\.crate[s]"
    r"|de[b]\.debian|repo1?\.mave[n]|proxy\.golan[g]")


def main():
    faults = [*text_faults(), *dependency_faults(), *circles.circle_faults(ROOT / "crates")]
    for fault in sorted(set(faults)):
        print(fault)
    sys.exit(1 if faults else 0)


def text_faults():
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        yield from (f"{name}:{line}: {what}" for line, what in faults_of_file(name, path.suffix, text))


def files():
    """Every text file of the project, what was built or installed left out."""
    stack = [ROOT]
    while stack:
        for path in sorted(stack.pop().iterdir()):
            # In a second work tree `.git` is a file.
            if path.is_symlink() or path.name in SKIPPED_FOLDERS:
                continue
            if path.is_dir():
                stack.append(path)
            elif path.suffix in TEXT and not path.name.endswith((".lock", "-lock.json")):
                yield path


def faults_of_file(name, suffix, text):
    """(line number, what is wrong) of one file."""
    lines = text.splitlines()
    own, _ = split_tests(name, lines)
    for number, line in enumerate(lines, 1):
        if OF_THIS_MACHINE.search(line):
            yield number, "names a path of one machine or a registry's host"
        if name != "tools/tidy.py" and BARE_DEBT.search(line):
            yield number, "a debt without a kind and an issue: write it as in TODO-" + "test(#12)"
    if suffix in CODE and len(own) > FILE_LINES_MAX and name not in LONG_FILES_BY_NAME:
        yield len(own), f"{len(own)} lines without tests, {FILE_LINES_MAX} at most: part what it decides from what it does"
    if name == "README.md" and len(lines) > README_LINES_MAX:
        yield len(lines), f"{len(lines)} lines, {README_LINES_MAX} at most"
    if suffix == ".sql" and not text.startswith("--"):
        yield 1, "begins without a comment that says why it has this shape"
    if suffix == ".rs":
        yield from faults_of_rust(name, text, lines)


def faults_of_rust(name, text, lines):
    own, tests = split_tests(name, lines)
    if not text.startswith("//!"):
        yield 1, "begins without a //! line that says what the module is for"
    for number, line in enumerate(lines, 1):
        if UNFINISHED.search(line):
            yield number, "unfinished or passed over: " + line.strip()
    for number, line in enumerate(tests, 1 + len(own)):
        if NAPS.search(line):
            yield number, "a test that sleeps: wait for what it waits for"
    if name.startswith(tuple(f"crates/{crate}/src/" for crate in PURE_CRATES)):
        for number, line in enumerate(own, 1):
            if IMPURE_WORDS.search(line) and not line.lstrip().startswith("//"):
                yield number, "this crate is pure: time, ids and the outside come in as arguments"
    if not name.startswith(MAY_READ_ENVIRONMENT):
        for number, line in enumerate(own, 1):
            if READS_ENVIRONMENT.search(line):
                yield number, "only the server reads the environment"
    if name.startswith("crates/api-gateway/src/"):
        yield from long_handlers(own)


def split_tests(name, lines):
    """(lines of the module, lines of its tests)."""
    if "/tests/" in f"/{name}" or name.endswith("/tests.rs"):
        return [], lines
    if name.endswith(".rs"):
        for number, line in enumerate(lines[:-1]):
            if line == "#[cfg(test)]" and re.match(r"mod \w+ \{", lines[number + 1]):
                return lines[:number], lines[number:]
    return lines, []


def long_handlers(lines):
    """Asynchronous functions of the gateway that do more than extract, call and answer."""
    for number, line in enumerate(lines):
        begun = re.match(r"( *)(?:pub(?:\([a-z]+\))? )?async fn (\w+)", line)
        if not begun:
            continue
        end = next((later for later in range(number, len(lines)) if lines[later] == begun[1] + "}"), number)
        if end - number + 1 > HANDLER_LINES_MAX:
            yield number + 1, f"{begun[2]} has {end - number + 1} lines, {HANDLER_LINES_MAX} at most"


def dependency_faults():
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    names = {package["id"]: package["name"] for package in metadata["packages"]}
    members = [names[member] for member in metadata["workspace_members"]]
    graph = {"normal": {}, "tests": {}}
    for node in metadata["resolve"]["nodes"]:
        for dependency in node["deps"]:
            for use in dependency["dep_kinds"]:
                kind = "tests" if use["kind"] == "dev" else "normal"
                graph[kind].setdefault(names[node["id"]], set()).add(names[dependency["pkg"]])
    for crate in members:
        if crate not in EDGES:
            yield f"{crate}: is not in the table of tools/tidy.py"
            continue
        yield from faults_of_crate(crate, graph, set(members))


def faults_of_crate(crate, graph, members):
    allowed = EDGES[crate]
    for other in (graph["normal"].get(crate, set()) & members) - allowed:
        yield f"{crate}: may not depend on {other}"
    allowed = allowed | TEST_EDGES.get(crate, set()) | {"baton-test-support"}
    for other in (graph["tests"].get(crate, set()) & members) - allowed:
        yield f"{crate}: its tests may not depend on {other}"
    for other in reachable(crate, graph["normal"]) & UNREACHABLE.get(crate, set()):
        yield f"{crate}: reaches {other}, which it may not know"


def reachable(crate, edges):
    """All crates below one, itself left out."""
    found, waiting = set(), [crate]
    while waiting:
        for other in edges.get(waiting.pop(), set()) - found:
            found.add(other)
            waiting.append(other)
    return found


if __name__ == "__main__":
    main()
