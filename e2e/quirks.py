#!/usr/bin/env python3
"""Our own answers where Conductor's are faults, as changes to the recorded answer.

A file `quirks/<area>--<name>.json`:

    {"answer": "what we do instead, in a sentence",
     "set": {"tasks.job#1.status": "FAILED", ...},    a path as replay.py prints it -> the value we answer
     "remove": ["tasks.late#1", ...],                 what we do not answer
     "expected": {...}}                               instead of both: the whole answer

    quirks.py propose --url http://127.0.0.1:8080/api <area>/<name>

writes such a file from what a running server answers now; a person then reads it and writes `answer`.
"""
import argparse
import json
import subprocess
import sys
import tempfile

from harness import places

FOLDER = places.E2E / "quirks"
SCENARIOS = places.E2E / "conformance" / "scenarios"


def path_of(name):
    return FOLDER / f"{name.replace('/', '--')}.json"


def patched(scenario, name):
    """The scenario with our answer in place of the recorded one."""
    change = json.loads(path_of(name).read_text())
    assert change.get("answer"), f"{path_of(name).name}: says no answer"
    if "expected" in change:
        return {**scenario, "expected": change["expected"]}
    for path in change.get("remove", []):
        holder, key = find(scenario["expected"], path)
        del holder[key]
    for path, value in change.get("set", {}).items():
        holder, key = find(scenario["expected"], path, missing_is_new=True)
        if isinstance(holder, list) and key == len(holder):
            holder.append(value)
        else:
            holder[key] = value
    return scenario


def find(place, path, missing_is_new=False):
    """The container and key that a path names; keys may hold dots themselves, so known keys come first."""
    for key, label in labels(place):
        if path == label:
            return place, key
        if path.startswith(label + "."):
            return find(place[key], path[len(label) + 1:], missing_is_new)
    if missing_is_new and isinstance(place, (dict, list)):
        return place, path if isinstance(place, dict) else len(place)
    raise AssertionError(f"the recorded answer has nothing at {path}")


def labels(place):
    """(key, name in a path) of each member; a task is named by reference and attempt."""
    if isinstance(place, dict):
        return [(key, key) for key in sorted(place, key=len, reverse=True)]
    if isinstance(place, list):
        return [(number, label_of(item, number)) for number, item in enumerate(place)]
    return []


def label_of(item, number):
    return f"{item['ref']}#{item['attempt']}" if isinstance(item, dict) and "ref" in item and "attempt" in item else str(number)


def difference(old, new, path=""):
    """(set, remove) that turn the old answer into the new one."""
    together, removed = {}, []
    before, after = [{label: place[key] for key, label in labels(place)} for place in (old, new)]
    for label in before.keys() | after.keys():
        here = f"{path}.{label}" if path else label
        if label not in after:
            removed.append(here)
        elif label not in before:
            together[here] = after[label]
        elif type(before[label]) is type(after[label]) and isinstance(before[label], (dict, list)) and before[label]:
            more, less = difference(before[label], after[label], here)
            together.update(more)
            removed.extend(less)
        elif before[label] != after[label]:
            together[here] = after[label]
    return dict(sorted(together.items())), sorted(removed, reverse=True)


def propose(url, name):
    """Writes the file of a scenario from what a server answers."""
    original = json.loads((SCENARIOS / f"{name}.json").read_text())
    with tempfile.NamedTemporaryFile("w+", suffix=".json") as copy:
        json.dump(original, copy)
        copy.flush()
        replay = SCENARIOS.parent / "replay.py"
        subprocess.run([sys.executable, replay, "--record", "--url", url, copy.name], check=True)
        with open(copy.name, encoding="utf-8") as recorded:
            answered = json.load(recorded)["expected"]
    together, removed = difference(original["expected"], answered)
    change = {"answer": "", "set": together, "remove": removed}
    if original["expected"].keys().isdisjoint(answered.keys() - {"tasks"}):
        change = {"answer": "", "expected": answered}
    FOLDER.mkdir(exist_ok=True)
    path_of(name).write_text(json.dumps(change, indent=2, ensure_ascii=False) + "\n")
    print(f"{path_of(name)}: now write the answer")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["propose"])
    parser.add_argument("names", nargs="+")
    parser.add_argument("--url", default="http://127.0.0.1:8080/api")
    options = parser.parse_args()
    for name in options.names:
        propose(options.url, name)


if __name__ == "__main__":
    main()
