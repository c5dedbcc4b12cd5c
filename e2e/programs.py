#!/usr/bin/env python3
"""Random programs on real processes, on both stores: calm ones and ones in a storm of faults.

    e2e/programs.py --store sqlite --seed 17              runs the program of a seed again, without faults
    e2e/programs.py --store sqlite --seed 17 --stormy     the same, with the faults of a run
    e2e/programs.py --store sqlite --seed 17 --shrink     looks for a smaller program that fails too
    e2e/programs.py --store postgres --from 1 --count 500 many

A program without operations must end as the oracle foretells: status, outputs, variables, every task with its attempts.
One on which people act at random moments must end, and keep what must hold of every execution. While all run, no lease
overlaps another one of the same task, no acknowledged result is lost, and no open execution waits for nothing.
`E2E_PROGRAMS` says how many programs a store runs (2,000), `E2E_PROGRAMS_SEED` where their seeds begin.
"""
import argparse
import json
import os
import random
import sys
import threading
import time

from harness import places, report, setting
from program import drive, generate, oracle, shrink, site

PROGRAMS = int(os.environ.get("E2E_PROGRAMS", "2000"))
FIRST_SEED = int(os.environ.get("E2E_PROGRAMS_SEED", "1"))
# The rest runs in the storm.
CALM_SHARE = 0.6
# Programs of a storm are started over so many seconds, so that each fault meets some at every stage.
SPREAD_S = 40
# From the last thing that was done to a program, on a busy machine.
CALM_LIMIT_S, STORMY_LIMIT_S = 40, 60
FAULT_EARLIEST_S, FAULT_LATEST_S = 0.5, 2.0
# What the faults of a round may change at most: more says that the round tested nothing.
DISTURBED_MOST = 0.5
TOLD_MOST = 10
SHRINK_ROUNDS, SHRINK_AT_ONCE, SHRINK_LIMIT_S = 40, 60, 12


def run(place, results):
    """The programs of this store: most on a calm site, the others on a stormy one."""
    seeds = range(FIRST_SEED, FIRST_SEED + PROGRAMS)
    calm = int(len(seeds) * CALM_SHARE)
    if not site.FAKETIME:
        results.skip(f"{place.store} programs: a clock that jumps", "libfaketime is not installed: tools/setup")
    for stormy, share in ((False, seeds[:calm]), (True, seeds[calm:])):
        if share:
            with results.guard(f"{place.store} programs, {'stormy' if stormy else 'calm'}"):
                judge_round(place, results, [generate.program(seed) for seed in share], stormy)


def judge_round(place, results, programs, stormy, faults=()):
    """Runs them and reports: a line for the round, and one for each program that failed."""
    began = time.monotonic()
    runs, wrong, storm = play(place, programs, stormy, faults)
    kind, failed = "stormy" if stormy else "calm", [one for one in runs if one.faults]
    for one in failed[:TOLD_MOST]:
        results.fail(f"{place.store} program {one.program['seed']}, {kind}", told(place.store, one, stormy))
    for one in failed[TOLD_MOST:]:
        results.fail(f"{place.store} program {one.program['seed']}, {kind}", one.faults[0])
    for fault in sorted(set(wrong))[:TOLD_MOST]:
        results.fail(f"{place.store} programs, {kind}", fault)
    foretold = [one for one in runs if one.outcome and not one.operated]
    disturbed = sum(one.disturbed for one in foretold)
    if disturbed > DISTURBED_MOST * max(len(foretold), 1):
        words = f"faults changed {disturbed} of {len(foretold)} programs: too few were tested"
        results.fail(f"{place.store} programs, {kind}", words)
    results.count(len(runs) - len(failed))
    counts = f"{len(runs) - len(failed)} of {len(runs)} programs, {kind}, {len(foretold) - disturbed} of them foretold"
    seconds = time.monotonic() - began
    print(f"ok      {place.store}: {counts}, {storm.counts() if storm else 'no faults'} ({seconds:.1f} s)", flush=True)


def play(place, programs, stormy, faults=(), limit_s=None):
    """Runs programs on a site of their own; (their runs, the faults of the whole, the storm)."""
    runs = [drive.Run(program, foretold(program)) for program in programs]
    ground = site.Site(place, stormy)
    storm = None
    try:
        limit_s = limit_s or (STORMY_LIMIT_S if stormy else CALM_LIMIT_S)
        driver = drive.Driver(ground, runs, limit_s, SPREAD_S if stormy and len(runs) > 1 else 0)
        storm = Storm(ground, driver, programs[0]["seed"], faults) if stormy else None
        done = driver.run()
        if storm:
            storm.stop()
        return done, driver.site_faults, storm
    finally:
        ground.close()


def foretold(program):
    """How it must end; `None` where people or the timing decide."""
    if program["operations"]:
        return None
    try:
        return shrink.outcome_of(program)
    except oracle.Unpredictable:
        return None


class Storm:
    """Faults one after the other, while programs run."""

    def __init__(self, ground, driver, seed, chosen):
        self.ground, self.driver, self.chance, self.seen = ground, driver, random.Random(seed), {}
        self.faults = {name: fault for name, fault in site.faults_of(ground).items() if name in chosen or not chosen}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.blow, daemon=True)
        self.thread.start()

    def blow(self):
        """Blows itself out, and then waits: the servers that this thread started again die with it."""
        self.faults_in_turn()
        self.stopping.wait()

    def faults_in_turn(self):
        """Each fault, in a new order each time, until nothing is left to be started."""
        while True:
            for name in self.chance.sample(sorted(self.faults), len(self.faults)):
                if self.stopping.wait(self.chance.uniform(FAULT_EARLIEST_S, FAULT_LATEST_S)):
                    return
                if not self.driver.waiting and self.seen.keys() == self.faults.keys():
                    return
                self.driver.quiet_since = float("inf")
                try:
                    self.faults[name](self.ground, self.chance)
                except (AssertionError, OSError) as error:
                    self.driver.site_faults.append(f"{name}: {error}")
                self.seen[name] = self.seen.get(name, 0) + 1
                self.driver.quiet_since = time.monotonic()

    def stop(self):
        self.stopping.set()
        self.thread.join()

    def counts(self):
        return ", ".join(f"{count} × {name}" for name, count in sorted(self.seen.items()))


def told(store, one, stormy):
    """What failed, the command that repeats it, and the program."""
    command = f"e2e/programs.py --store {store} --seed {one.program['seed']}{' --stormy' if stormy else ''}"
    return "\n".join([*one.faults[:TOLD_MOST], f"again: {command} (smaller: {command} --shrink)", json.dumps(one.program)])


def shrunk(place, program, stormy):
    """The smallest program found that fails too. All cuts of a round run at once."""
    best = program
    wanted = kind_of(play(place, [program], stormy, limit_s=SHRINK_LIMIT_S)[0][0])
    assert wanted, "it does not fail"
    for _ in range(SHRINK_ROUNDS):
        candidates = shrink.smaller(best)[:SHRINK_AT_ONCE]
        named = [shrink.renamed(one, f"p{program['seed']}v{number}") for number, one in enumerate(candidates)]
        if not named:
            break
        runs, _, _ = play(place, named, stormy, limit_s=SHRINK_LIMIT_S)
        failing = [one.program for one in runs if kind_of(one) == wanted]
        if not failing:
            break
        best = min(failing, key=lambda one: len(json.dumps(one)))
        print(f"fails with {len(json.dumps(best))} characters", flush=True)
    return best


def kind_of(run):
    """Whether it failed by its end, or by never coming to one; `None` when it did not fail."""
    return ("late" if drive.LATE in run.faults[0] else "wrong") if run.faults else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=setting.STORES, default="sqlite")
    parser.add_argument("--seed", type=int, help="one program")
    parser.add_argument("--from", dest="first", type=int, default=FIRST_SEED, help="the first of many seeds")
    parser.add_argument("--count", type=int, default=PROGRAMS, help="how many seeds")
    parser.add_argument("--stormy", action="store_true", help="with faults")
    parser.add_argument(
        "--fault", action="append", default=[], help="only this fault, as docs/reliability.md names it; may be repeated")
    parser.add_argument("--shrink", action="store_true", help="look for a smaller program that fails too")
    options = parser.parse_args()
    places.WORK.mkdir(exist_ok=True)
    places.build()
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.count)
    place, results = setting.Setting(options.store), report.Report()
    try:
        if options.shrink:
            best = shrunk(place, generate.program(seeds[0]), options.stormy)
            print(json.dumps(best, indent=1))
            sys.exit(0)
        judge_round(place, results, [generate.program(seed) for seed in seeds], options.stormy, options.fault)
    finally:
        place.close()
    sys.exit(0 if results.close() else 1)


if __name__ == "__main__":
    main()
