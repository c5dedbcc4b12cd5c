#!/usr/bin/env python3
"""Runs the end-to-end suites against the built binary, on both stores; see CONTRIBUTING.md.

    e2e/run.py                                     everything
    e2e/run.py --store sqlite --only conformance   one suite on one store
"""
import argparse
import os
import shutil
import sys

import backup
import citus
import cluster
import conformance
import docs
import faults
import first_run
import manifests
import monitoring
import programs
import real_clients
import self_test
import upgrade
from harness import places, report, setting

# Suite -> (what runs it, on which stores).
SUITES = {
    "self": (self_test.run, ("sqlite",)),
    "first-run": (first_run.run, ("sqlite",)),
    "manifests": (manifests.run, ("sqlite",)),
    "docs": (docs.run, ("sqlite",)),
    "conformance": (conformance.run_scenarios, setting.STORES),
    "corpus": (conformance.run_corpus, setting.STORES),
    "python": (real_clients.run_python, setting.STORES),
    "javascript": (real_clients.run_javascript, setting.STORES),
    "rust": (real_clients.run_rust, ("postgres",)),
    "programs": (programs.run, setting.STORES),
    "cluster": (cluster.run, ("postgres",)),
    "monitoring": (monitoring.run, ("postgres",)),
    "faults": (faults.run, ("postgres",)),
    "backup": (backup.run, ("postgres",)),
    "upgrade": (upgrade.run, ("postgres",)),
    "citus": (citus.run, ("postgres",)),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=(*setting.STORES, "both"), default="both")
    parser.add_argument("--only", choices=SUITES, action="append", help="a suite; may be repeated")
    options = parser.parse_args()
    shutil.rmtree(places.LOGS, ignore_errors=True)
    places.WORK.mkdir(exist_ok=True)
    places.build()
    results = report.Report()
    for store in setting.STORES if options.store == "both" else (options.store,):
        run_store(store, options.only or SUITES, results)
    passed = results.close()
    if passed:
        shutil.rmtree(places.LOGS, ignore_errors=True)
    else:
        print(f"logs: {os.path.relpath(places.LOGS)}", file=sys.stderr)
    sys.exit(0 if passed else 1)


def run_store(store, names, results):
    """The chosen suites that run on this store, on one setting."""
    chosen = [SUITES[name][0] for name in names if store in SUITES[name][1]]
    if not chosen:
        return
    place = setting.Setting(store)
    try:
        for suite in chosen:
            with results.guard(f"{store} {suite.__module__}.{suite.__name__}"):
                suite(place, results)
    finally:
        place.close()


if __name__ == "__main__":
    main()
