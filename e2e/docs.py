#!/usr/bin/env python3
"""Runs every snippet of the documentation, each page in a shell of its own; CONTRIBUTING.md has the convention.

    e2e/docs.py PAGE...     some pages alone, with the binary that e2e/run.py would take
"""
import collections
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import shutil
import sys
import threading
import traceback

import backup
import cluster
import first_run
import real_clients
from harness import installing, places, postgres, processes, report, shell, snippets

FOLDERS, PROGRAMS = places.WORK / "docs", places.WORK / "docs-bin"
# A build that fetches what it needs takes longest.
COMMAND_SECONDS = 600
PORT, PORTS = 8080, 10
WRITTEN_PORT = re.compile(r"\b(127\.0\.0\.1|localhost):808(\d)\b")
AT_ONCE = 3
# Suite -> whether it runs these lines of this page.
RUN_BY = {"backup": backup.runs, "cluster": cluster.runs, "first-run": first_run.runs}


def run(_, results):
    """One case for each page."""
    run_pages(pages(), results)


def pages():
    """Every page that is read by users."""
    named = [places.ROOT / name for name in ("README.md", "examples/README.md")]
    return [*named, *sorted((places.ROOT / "docs").rglob("*.md"))]


def run_pages(chosen, results):
    """Several at once: most of their time is waiting."""
    shutil.rmtree(FOLDERS, ignore_errors=True)
    shutil.rmtree(PROGRAMS, ignore_errors=True)
    FOLDERS.mkdir(parents=True)
    PROGRAMS.mkdir()
    (PROGRAMS / "baton").symlink_to(places.baton().resolve())
    places.LOGS.mkdir(parents=True, exist_ok=True)
    needs = Needs()
    left_out = collections.Counter()
    try:
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for outcome in pool.map(lambda path: attempt(path, needs), chosen):
                tell(outcome, results)
                left_out += outcome.left_out
    finally:
        needs.close()
    print(f"docs: {left_out.total()} blocks are not run here:")
    for reason, count in left_out.most_common():
        print(f"        {count:2}  {reason}", flush=True)


@dataclasses.dataclass
class Outcome:
    """What became of a page."""

    name: str
    counts: collections.Counter
    left_out: collections.Counter
    fault: str | None = None
    missing: str | None = None


def attempt(path, needs):
    """Runs a page, whatever happens."""
    outcome = Outcome(name_of(path), collections.Counter(), collections.Counter())
    try:
        run_page(path, outcome, needs)
    except AssertionError as error:
        outcome.fault = str(error) or traceback.format_exc()
    except Exception:  # a fault of the suite itself; the other pages go on
        outcome.fault = traceback.format_exc()
    return outcome


def name_of(path):
    return path.resolve().relative_to(places.ROOT).as_posix()


def tell(outcome, results):
    name = f"docs: {outcome.name}"
    if outcome.fault:
        results.fail(name, outcome.fault)
    elif outcome.missing:
        results.skip(name, outcome.missing)
    elif outcome.counts:
        results.ok(name, "(" + ", ".join(f"{count} {what}" for what, count in outcome.counts.items()) + ")")


def run_page(path, outcome, needs):
    """All blocks of a page, in order; stops at the first fault."""
    blocks = snippets.blocks(path.read_text())
    for block in blocks:
        demand(block.fault() is None, outcome, block, block.fault())
    names = [name for block in blocks if block.kind == "needs" for name in block.text.split()]
    missing = [name for name in names if not needs.has(name)]
    if missing:
        outcome.missing = f"no {', '.join(missing)}"
    elif any(block.kind not in ("not-run", *snippets.PICTURES) for block in blocks):
        page = Page(outcome, needs.environment(names))
        try:
            for block in blocks:
                page.run(block)
        finally:
            page.close()
    outcome.left_out.update(block.marks["not-run"] for block in blocks if block.kind == "not-run")


def demand(holds, outcome, block, fault):
    assert holds, f"{outcome.name}:{block.line}: {fault}"


class Page:
    """A page under way: an empty folder, a shell in it, free ports."""

    def __init__(self, outcome, found):
        self.outcome, self.files = outcome, {}
        slug = outcome.name.removesuffix(".md").replace("/", "-")
        self.folder = FOLDERS / slug
        self.folder.mkdir()
        self.port = processes.free_ports(PORTS)
        self.shell = shell.Shell(self.folder, self.environment(found), places.LOGS / f"docs-{slug}.log")

    def environment(self, found):
        """A reader's: `baton` is on the path, and a server listens where the page says."""
        path = found.get("PATH", os.environ["PATH"])
        return {
            **processes.own_environment(), **found, "PATH": f"{PROGRAMS}:{path}", "TERM": "xterm-256color",
            "BATON_LISTEN": f"127.0.0.1:{self.port}", "BATON_SERVER_URL": f"http://127.0.0.1:{self.port}",
            "REPOSITORY": str(places.ROOT), "TARGETS": str(places.target_folder()), "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}

    def run(self, block):
        """One block, by its kind."""
        actions = {"console": self.console, "sh": self.script, "given": self.script, "file": self.write,
                   "part-of": self.compare_part, "run-by": self.ask_suite, "installed": self.install}
        action = actions.get(block.kind)
        if action:
            action(block)

    def demand(self, holds, block, fault):
        demand(holds, self.outcome, block, fault)

    def console(self, block):
        """Commands with what they print."""
        commands = snippets.commands(block.text)
        self.demand(all(command for _, command, _ in commands), block, "begins with output")
        following = [command for _, command, _ in commands[1:]] + [""]
        for (line, command, expected), after in zip(commands, following):
            where = f"{self.outcome.name}:{block.line + line}: $ {command}\n"
            try:
                status, printed = self.shell.run(self.here(command), COMMAND_SECONDS)
            except AssertionError as error:
                raise AssertionError(where + str(error)) from None
            printed = self.written(printed)
            assert status == 0 or after == "echo $?", f"{where}ends with {status}:\n{printed}"
            assert snippets.matches(expected, printed), f"{where}--- the page says\n{expected}\n--- it prints\n{printed}"
            self.outcome.counts["commands"] += 1

    def script(self, block):
        """A block as a whole."""
        try:
            self.shell.run(self.here(block.text), COMMAND_SECONDS, strict=True)
        except AssertionError as error:
            raise AssertionError(f"{self.outcome.name}:{block.line}: {self.written(str(error))}") from None
        if block.kind != "given":
            self.outcome.counts["scripts"] += 1

    def write(self, block):
        """A file of the reader's."""
        path = self.folder / block.marks["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.here(block.text))
        self.files[block.marks["file"]] = block.text
        self.outcome.counts["files"] += 1

    def compare_part(self, block):
        """Lines of a file that the page shows as a whole elsewhere."""
        name = block.marks["part-of"]
        self.demand(name in self.files, block, f"{name} was not written before")
        self.demand(block.text in self.files[name], block, f"{name} has no such lines")
        self.outcome.counts["parts"] += 1

    def ask_suite(self, block):
        """Lines that another suite runs."""
        suite = block.marks["run-by"]
        self.demand(suite in RUN_BY, block, f"there is no suite {suite} that says what it runs")
        self.demand(RUN_BY[suite](self.outcome.name, block.text), block, f"the suite {suite} does not run these lines")
        self.outcome.counts[f"run by {suite}"] += 1

    def install(self, block):
        """What was installed before, in the place where the block's commands would put it."""
        name = block.marks.get("installed") or block.text.strip()
        self.demand(name in INSTALLED, block, f"nothing is installed under the name {name}")
        packages, install = INSTALLED[name]
        missing = [package for package in packages() if block.marks and package not in block.text]
        self.demand(not missing, block, f"does not install {', '.join(missing)}")
        place, source = install()
        (self.folder / place).symlink_to(source)
        self.outcome.counts["installed"] += 1

    def here(self, text):
        """The text with the ports of this run."""
        return WRITTEN_PORT.sub(lambda found: f"{found[1]}:{self.port + int(found[2])}", text)

    def written(self, text):
        """The text with the ports of the page."""
        for number in range(PORTS):
            text = text.replace(f":{self.port + number}", f":{PORT + number}")
        return text

    def close(self):
        self.shell.close()


class Needs:
    """What pages ask for in a comment: `postgres`, a PostgreSQL started for the first of them; `java-21`, a Java of
    that version or a later one; or a program."""

    def __init__(self):
        self.lock, self.server = threading.Lock(), None

    @staticmethod
    def has(name):
        """Whether it is on this machine."""
        if name.startswith("java-"):
            return java_home(name) is not None
        return name == "postgres" or shutil.which(name) is not None

    def environment(self, names):
        """How a page that asks for these finds them."""
        found = {"DATABASE_URL": self.url()} if "postgres" in names else {}
        for name in names:
            if name.startswith("java-"):
                home = java_home(name)
                found |= {"JAVA_HOME": str(home), "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}
        return found

    def url(self):
        with self.lock:
            self.server = self.server or postgres.Postgres()
            return self.server.database()

    def close(self):
        if self.server:
            self.server.close()


def java_home(name):
    """Where a development kit for Java lies that is at least as new as `java-21` says, if there is any."""
    least = int(name.removeprefix("java-"))
    homes = [pathlib.Path(os.environ.get("JAVA_HOME") or "/"), *sorted(pathlib.Path("/usr/lib/jvm").glob("*"))]
    for home in homes:
        release = home / "release"
        version = re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.M) if release.is_file() else None
        if version and int(version[1]) >= least and (home / "bin" / "javac").exists():
            return home
    return None


def python_packages():
    return (real_clients.CLIENTS / "python" / "requirements.txt").read_text().split()


def install_python():
    return ".venv", installing.python_environment("python", real_clients.CLIENTS / "python" / "requirements.txt")


def javascript_packages():
    text = (real_clients.CLIENTS / "javascript" / "package.json").read_text()
    return [f"{name}@{version}" for name, version in re.findall(r'"(@[^"]+)": "([^"]+)"', text)]


def install_javascript():
    return "node_modules", real_clients.install_javascript() / "node_modules"


# Name -> (the packages that a block of it must name, what puts them here: the place in the folder, and where it lies).
INSTALLED = {
    "python": (python_packages, install_python),
    "javascript": (javascript_packages, install_javascript),
}


def main():
    places.WORK.mkdir(exist_ok=True)
    places.build()
    results = report.Report()
    run_pages([pathlib.Path(name) for name in sys.argv[1:]] or pages(), results)
    sys.exit(0 if results.close() else 1)


if __name__ == "__main__":
    main()
