"""`deploy/local-cluster` under load: every process is restarted, one after the other, and no client notices more than one
failed try of a call.

The cluster is started by its own script, in a folder and on ports of its own; the load and the checks are those of the faults.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import faults
import load
from harness import places, postgres, processes, waiting

SCRIPT = places.ROOT / "deploy" / "local-cluster"
PORTS = 6
UP_SECONDS, ROLL_SECONDS, END_SECONDS = 120, 180, 60
COMMANDS = UP, STATUS, ROLL, DOWN = ("up", "status", "roll", "down")
STARTS, START_SECONDS = 200, 8
ROLLS_LEAST = 2
# Waits until its input closes, which the death of the test run does too, and ends what the script started.
REAPER = f'cat >/dev/null; "$1" {DOWN}'


def runs(_, text):
    """Whether this suite runs these lines of a page: commands of the script."""
    script = SCRIPT.relative_to(places.ROOT)
    return set(text.splitlines()) <= {f"{script} {command}" for command in COMMANDS}


class Cluster(faults.Loaded):
    """A cluster of the script, and the load on it."""

    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="baton-cluster-"))
        self.home.chmod(0o755)  # PostgreSQL's user goes through it
        self.first = processes.free_ports(PORTS)
        self.environment = {
            **processes.own_environment(), "BATON": str(places.baton()), "CLUSTER_HOME": str(self.home),
            "CLUSTER_PORT": str(self.first)}
        self.reaper = subprocess.Popen(
            ["/bin/sh", "-c", REAPER, "reaper", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=self.environment, start_new_session=True)
        try:
            self.script(UP, UP_SECONDS)
            super().__init__([f"http://127.0.0.1:{self.first + number}/api" for number in (0, 1)])
        except BaseException:
            self.end()
            raise

    def script(self, command, seconds):
        """Runs it; what it says."""
        done = subprocess.run(
            [SCRIPT, command], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=seconds, check=False)
        assert done.returncode == 0, f"local-cluster {command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def processes(self):
        """Name -> process id, of those that run."""
        lines = [line.split() for line in self.script(STATUS, UP_SECONDS).splitlines()]
        return {line[0]: int(line[-1]) for line in lines if "process" in line}

    def sql(self, command):
        password = (self.home / "run" / "password").read_text()
        done = subprocess.run(
            [postgres.programs() / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.first + 4),
             "-U", "baton", "-d", "baton", "-c", command],
            env={**os.environ, "PGPASSWORD": password}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def close(self):
        super().close()
        self.end()

    def end(self):
        """Keeps the logs, ends every process, deletes the files."""
        self.reaper.stdin.close()
        self.reaper.wait(UP_SECONDS)
        places.LOGS.mkdir(parents=True, exist_ok=True)
        for log in (self.home / "log").glob("*.log"):
            shutil.copyfile(log, places.LOGS / f"cluster-{log.name}")
        shutil.rmtree(self.home)


def run(_, results):
    """One cluster, rolled again and again while the load runs."""
    with contextlib.closing(Cluster()) as cluster:
        with results.guard("cluster: a rolling restart under load"):
            results.ok("cluster: a rolling restart under load", check_roll(cluster))


def check_roll(cluster):
    """Every call succeeds within one retry; every execution is found and ends right; nothing waits for nothing."""
    before = cluster.processes()
    starters = cluster.driver.begin_starts(STARTS, START_SECONDS)
    rolls = 0
    while rolls < ROLLS_LEAST or any(thread.is_alive() for thread in starters):
        cluster.script(ROLL, ROLL_SECONDS)
        rolls += 1
    after = cluster.processes()
    assert before.keys() == after.keys() and len(after) >= 4, f"running before {before}, after {after}"
    kept = [name for name in before if before[name] == after[name]]
    assert not kept, f"not restarted: {kept}"
    for thread in starters:
        thread.join(load.GIVE_UP_SECONDS)
        assert not thread.is_alive(), "a start was not answered"
    waiting.until(lambda: cluster.open_executions() == 0, END_SECONDS, "every execution ends")
    ledger = cluster.driver.ledger
    assert not ledger.refused, f"refused: {ledger.refused[:5]}"
    failed_twice = [(call, failures) for call, failures in ledger.repeated if len(failures) > 1]
    assert not failed_twice, f"{len(failed_twice)} calls failed more than once: {failed_twice[:5]}"
    assert len(ledger.started) == STARTS, f"{len(ledger.started)} of {STARTS} starts have an execution of their own"
    for execution, number in ledger.started.items():
        faults.check_execution(cluster, execution, number)
    faults.check_database(cluster)
    return f"{rolls} rolls, all {STARTS} ended right, {len(ledger.repeated)} calls repeated once"
