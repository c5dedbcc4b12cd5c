"""The crates' tests on a Citus cluster, which no test run can make from packages: counts them where they were skipped.

`crates/store-postgres/tests/citus.rs` runs on the cluster that `BATON_TEST_CITUS_URL` names and passes over each of its
tests without one, so that only this suite can say it in the closing lines.
"""
import os
import re

from harness import places

TESTS = places.ROOT / "crates" / "store-postgres" / "tests" / "citus.rs"
URL = "BATON_TEST_CITUS_URL"
TEST = re.compile(r"^#\[tokio::test", re.MULTILINE)


def run(_, results):
    """Says how many tests there are, unless a cluster is named and they ran on it."""
    tests = len(TEST.findall(TESTS.read_text()))
    if not os.environ.get(URL):
        results.skip(f"{tests} tests on a Citus cluster", f"{URL} names no cluster", tests)
