"""Counts cases, says one line for each, and closes with the line that continuous integration reads."""
import contextlib
import time
import traceback


class Report:
    """What passed, what failed and what was skipped."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def ok(self, name, note=""):
        self.passed += 1
        print(f"ok      {name}{'  ' + note if note else ''}", flush=True)

    def count(self, number):
        """Cases that passed and need no line of their own."""
        self.passed += number

    def skip(self, name, reason, cases=1):
        """What cannot be tried on this machine, and of how many cases it consists."""
        self.skipped.append((name, reason, cases))
        print(f"skipped {name}  ({reason})", flush=True)

    def fail(self, name, reason):
        self.failed.append(name)
        print(f"FAILED  {name}", flush=True)
        for line in str(reason).splitlines():
            print(f"        {line}", flush=True)

    @contextlib.contextmanager
    def guard(self, name):
        """Fails `name` when its block raises, and lets the run go on."""
        try:
            yield
        except AssertionError as error:
            self.fail(name, str(error) or traceback.format_exc())
        except Exception:  # a fault of the test itself, or an answer that nobody foresaw: say where
            self.fail(name, traceback.format_exc())

    @contextlib.contextmanager
    def case(self, name):
        """A case: passes when its block does not raise."""
        began = time.monotonic()
        with self.guard(name):
            yield
            self.ok(name, f"({time.monotonic() - began:.1f} s)")

    def close(self):
        """The closing lines: what failed, what was skipped and why, and the counts; true when nothing failed."""
        for name in self.failed:
            print(f"failed: {name}")
        if self.skipped:
            print("skipped: " + "; ".join(f"{name} ({reason})" for name, reason, _ in self.skipped))
        skipped = sum(cases for _, _, cases in self.skipped)
        print(f"{self.passed} passed, {len(self.failed)} failed, {skipped} skipped", flush=True)
        return not self.failed
