#!/usr/bin/env python3
"""Records what a real jq 1.7 answers to the programs of a table: what Baton is to answer one day.

The programs that Baton answers so today are in crates/expression/src/script/jq_answers.txt, which a test runs.

    python3 tools/jq_answers.py [JQ]

The table has two lines for a program: the program, then, indented, the list of its results or, behind `!`,
its error. Programs stay; their answers are made again. JQ is the program to ask, `jq` unless it is given.
"""
import json
import os
import subprocess
import sys

TABLE = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
    "crates/expression/jq-1.7-answers.txt",
)
INPUT = {
    "d": {
        "rows": [{"g": "a", "k": "x", "v": 1}, {"g": "b", "k": "y", "v": 2}],
        "l": [1, 2, 3],
        "p": {"name": "Zoe"},
    }
}
TIME_S = 10
# Exit codes of jq: a program that does not compile, one that failed, one that ended itself.
DOES_NOT_COMPILE = 3


def answer(jq, program):
    """The answer's line."""
    run = subprocess.run(
        [jq, "-c", "--", program],
        input=json.dumps(INPUT),
        capture_output=True,
        text=True,
        timeout=TIME_S,
        # No environment, so that a table does not depend on whose machine made it.
        env={"TZ": "UTC", "LC_ALL": "C.UTF-8"},
        cwd="/",
    )
    if run.returncode == 0:
        return "  [" + ",".join(run.stdout.splitlines()) + "]"
    if run.returncode == DOES_NOT_COMPILE:
        return "  ! the program does not compile"
    errors = [line for line in run.stderr.splitlines() if line.startswith("jq: error")]
    said = run.stderr[run.stderr.find(errors[-1]):].strip() if errors else "the program ended itself"
    said = said.removeprefix("jq: error (at <stdin>:0)").removeprefix(": ")
    return "  ! " + json.dumps(said, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("\\\\", "\\")


def main():
    jq = sys.argv[1] if len(sys.argv) > 1 else "jq"
    version = subprocess.run([jq, "--version"], capture_output=True, text=True).stdout.strip()
    if not version.startswith("jq-1.7"):
        raise SystemExit(f"{jq} is {version or 'no jq'}; the table is of jq 1.7")
    with open(TABLE, encoding="utf-8") as table:
        programs = [line for line in table.read().splitlines() if not line.startswith("  ")]
    programs = list(dict.fromkeys(programs))
    lines = []
    for program in programs:
        lines += [program, answer(jq, program)]
    with open(TABLE, "w", encoding="utf-8") as table:
        table.write("\n".join(lines) + "\n")
    print(f"{len(programs)} programs, answered by {version}")


if __name__ == "__main__":
    main()
