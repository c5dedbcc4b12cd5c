"""Starting and ending processes of ours, by process id; none outlives the run."""
import atexit
import ctypes
import os
import signal
import socket
import subprocess

from . import places

STARTED = []
PR_SET_PDEATHSIG = 1
PORT_ATTEMPTS = 100
LIBC = ctypes.CDLL(None)


def die_with_parent():
    """In the child: the kernel kills it when the test run dies, however that happens."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def own_environment():
    """The environment without settings that the caller made for a server of its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}


def free_port():
    """A port on the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def free_ports(count):
    """The first of as many ports in a row that nobody listens on now."""
    for _ in range(PORT_ATTEMPTS):
        first = free_port()
        if first + count < 65536 and all(is_free(first + number) for number in range(count)):
            return first
    raise AssertionError(f"no {count} free ports in a row")


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Process:
    """One process with a log file of its own."""

    def __init__(self, name, command, environment=None):
        places.LOGS.mkdir(parents=True, exist_ok=True)
        self.name, self.log = name, places.LOGS / f"{name}.log"
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=places.WORK, env={**own_environment(), **(environment or {})},
                start_new_session=True, preexec_fn=die_with_parent)
        STARTED.append(self)

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def kill(self):
        """As a power cut would: nothing is finished, nothing is said."""
        if self.running():
            self.child.kill()
        self.child.wait()

    def stop(self, seconds=20):
        """Asks it to end; its exit code, or `None` when it had to be killed."""
        if self.running():
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def last_words(self, lines=15):
        """The end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


@atexit.register
def end_all():
    """Ends what a failing case left."""
    for process in STARTED:
        process.kill()
