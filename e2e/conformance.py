"""What Conductor really does: the recordings in `conformance/`, replayed against this engine.

`conformance-exceptions.json` lists what does not match on purpose: `later` (something that a later change brings)
or `quirk` (a fault of Conductor that we answer better). A listed scenario that matches is a fault of the list.
For a quirk, `quirks/<area>--<name>.json` says what we answer instead, as changes to the recorded answer, and the
recording with that answer has to match. The definitions of other people and how they ended stay in ../shared; where
they are absent, the suite `corpus` says so and counts them as skipped.
"""
import concurrent.futures
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import quirks
from harness import places

LIST = places.E2E / "conformance-exceptions.json"
RECORDINGS = places.E2E / "conformance"
REPLAY = RECORDINGS / "replay.py"
CORPUS = places.SHARED / "corpus"
# How many of the corpus were recorded: what is skipped where it is absent.
CORPUS_RECORDINGS = 175
JOBS = 12
# What a busy machine may make late is tried again alone, and says so; more than this many is no coincidence.
AGAIN_MOST = 5
REPLAY_SECONDS = 1200
# For a recording that names no limit of its own.
LIMIT_SECONDS = 30
CLOSING = re.compile(r"^(\d+) passed, (\d+) failed$", re.MULTILINE)


class Scenarios:
    """The small scenarios, one behaviour each."""

    def __init__(self):
        root = RECORDINGS / "scenarios"
        self.paths = {f"{path.parent.name}/{path.stem}": path for path in root.glob("*/*.json")}

    def lay_out(self, folder, listed, names):
        """Each under a stem of its own: areas share names. What replay.py has to be told."""
        for name in names:
            lay(self.paths[name], folder / f"{self.stem(name)}.json", name, listed)
        return [folder]

    @staticmethod
    def stem(name):
        return name.replace("/", "--", 1)


class Corpus:
    """Real definitions, with how each one ended."""

    def __init__(self):
        self.root = CORPUS
        self.paths = {f"corpus/{path.stem}": path for path in (self.root / "expected").glob("*.json")}

    def lay_out(self, folder, listed, names):
        for part in ("definitions", "task-defs.json", "inputs.json"):
            os.symlink(self.root / part, folder / part)
        (folder / "expected").mkdir()
        for name in names:
            lay(self.paths[name], folder / "expected" / self.paths[name].name, name, listed)
        return ["--corpus", folder]

    @staticmethod
    def stem(name):
        return name.removeprefix("corpus/")


def run_scenarios(setting, results):
    """Every scenario, the quirks with our own answer."""
    judge(setting, results, Scenarios())


def run_corpus(setting, results):
    """Every definition of the corpus whose end was recorded."""
    if CORPUS.exists():
        judge(setting, results, Corpus())
    else:
        what = f"{setting.store} corpus: {CORPUS_RECORDINGS} definitions of other people"
        results.skip(what, "kept outside of the project, in ../shared/corpus, which is absent", CORPUS_RECORDINGS)


def judge(setting, results, recordings):
    """Replays all, what failed unexpectedly once more, and counts."""
    about_corpus = isinstance(recordings, Corpus)
    listed = {name: entry for name, entry in exceptions().items() if name.startswith("corpus/") == about_corpus}
    faults = list(faults_of(listed, recordings.paths))
    if faults:
        results.fail(f"{setting.store} {LIST.name}", "\n".join(faults))
        return
    later = {name for name, entry in listed.items() if entry["kind"] == "later"}
    failed = replay(setting, recordings, listed, recordings.paths)
    unexpected = sorted(failed.keys() - later)
    if 0 < len(unexpected) <= AGAIN_MOST:
        second = replay(setting, recordings, listed, unexpected, jobs=1)
        for name in set(unexpected) - second.keys():
            del failed[name]
            print(f"again   {setting.store} {name}: passed alone, not among {JOBS} at a time", flush=True)
    for name in sorted(failed.keys() - later):
        results.fail(f"{setting.store} {name}", failed[name])
    for name in sorted(later - failed.keys()):
        results.fail(f"{setting.store} {name}", f"matches now: take it off {LIST.name}")
    results.count(len(recordings.paths.keys() - failed.keys() - later))
    print(f"ok      {setting.store}: {len(recordings.paths) - len(failed)} of {len(recordings.paths)} recordings match, "
          f"{len(later)} are left for later, {len(listed) - len(later)} are answered better", flush=True)


def replay(setting, recordings, listed, names, jobs=JOBS):
    """Name -> differences, of those recordings that a fresh server does not match."""
    with tempfile.TemporaryDirectory(dir=places.WORK) as folder, setting.server("replay") as server:
        done = call_replay(server.api_url, jobs, recordings.lay_out(pathlib.Path(folder), listed, names))
    stems = {recordings.stem(name): name for name in names}
    counts = CLOSING.search(done.stdout)
    if counts:
        failed = parse(done.stdout, stems)
        assert len(failed) == int(counts[2]), f"{counts[2]} failed, {len(failed)} named"
        return failed
    print(f"        the replay broke off, so one at a time: {done.stderr.strip().splitlines()[-1:]}", flush=True)
    return replay_one_by_one(setting, recordings, listed, names)


def replay_one_by_one(setting, recordings, listed, names):
    """As `replay`, each in a process of its own: an answer that the replay cannot read ends only that one."""
    def one(server, name):
        with tempfile.TemporaryDirectory(dir=places.WORK) as folder:
            done = call_replay(server.api_url, 1, recordings.lay_out(pathlib.Path(folder), listed, [name]))
        return name, done.returncode, "\n".join((done.stdout + done.stderr).strip().splitlines()[-6:])

    start_stub()
    with setting.server("replay") as server, concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        answers = list(pool.map(lambda name: one(server, name), names))
    return {name: words for name, code, words in answers if code != 0}


def call_replay(url, jobs, arguments):
    command = [sys.executable, REPLAY, "--url", url, "--jobs", jobs, "--limit", LIMIT_SECONDS, "--show", *arguments]
    return subprocess.run(
        [str(word) for word in command], cwd=places.WORK, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=REPLAY_SECONDS, check=False)


def start_stub():
    """The host that HTTP tasks call, from here on in this process, so that it outlives each replay."""
    loader = importlib.machinery.SourceFileLoader("replay", str(REPLAY))
    spec = importlib.util.spec_from_loader("replay", loader)
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = before
    module.start_stub()


def lay(source, place, name, listed):
    """A link to a recording, or for a quirk the recording with our answer."""
    if listed.get(name, {}).get("kind") == "quirk":
        place.write_text(json.dumps(quirks.patched(json.loads(source.read_text()), name)))
    else:
        os.symlink(source, place)


def parse(output, names):
    """Name -> indented lines below it."""
    failed, name = {}, None
    for line in output.splitlines():
        heading = re.match(r"(\S+): \d+ differences$", line)
        if heading:
            name = names[heading[1]]
            failed[name] = ""
        elif line.startswith("    ") and name:
            failed[name] += line.strip() + "\n"
    return failed


def exceptions():
    return json.loads(LIST.read_text())


def faults_of(listed, recordings):
    """What is wrong with the list itself."""
    for name, entry in listed.items():
        if name not in recordings:
            yield f"{name}: no such recording"
        if entry.get("kind") not in ("later", "quirk") or not entry.get("reason"):
            yield f"{name}: needs a kind (later, quirk) and a reason"
        if (entry.get("kind") == "quirk") != quirks.path_of(name).exists():
            yield f"{name}: {quirks.path_of(name).relative_to(places.ROOT)} is for a quirk, and a quirk needs it"
    for path in quirks.FOLDER.glob("*.json"):
        name = path.stem.replace("--", "/", 1)
        if name in recordings and name not in listed:
            yield f"{path.name}: is not listed"
