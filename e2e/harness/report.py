"""Counts cases, says one line for each, and closes with the line that continuous integration reads."""
import contextlib
import time
import traceback


class Report:
    """What passed and what failed."""

    def __init__(self):
        self.passed, self.failed = 0, []

    def ok(self, name, note=""):
        self.passed += 1
        print(f"ok      {name}{'  ' + note if note else ''}", flush=True)

    def count(self, number):
        """Cases that passed and need no line of their own."""
        self.passed += number

    def skip(self, name, reason):
        """What cannot be tried on this machine; it counts as nothing."""
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
        """The closing lines; true when all passed."""
        for name in self.failed:
            print(f"failed: {name}")
        print(f"{self.passed} passed, {len(self.failed)} failed", flush=True)
        return not self.failed
