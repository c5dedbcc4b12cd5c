"""The servers that programs run on, and what is done to them: one on SQLite, two on one PostgreSQL.

On a stormy site every connection goes through a relay that can be cut, and the servers read a clock that can be moved.
"""
import contextlib
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import threading

import load
from harness import baton, places, processes

from . import generate, workers
from .calls import Calls

PROXY = pathlib.Path(__file__).with_name("proxy.py")
FAKETIME = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
# So long a server stands still: longer than a lease of a stormy site.
CALM_LEASE_S, STORMY_LEASE_S, STILL_S = 20, 2, 3
DOWN_S, HOLD_S, JUMP_S = 0.3, 1.0, 3600
DEAD_WAITS = {"postgres": "store-postgres", "sqlite": "store-sqlite"}
DEAD_WAITS_MOST = 20


class Relay:
    """The process of `proxy.py` before one port."""

    def __init__(self, target):
        self.port = processes.free_port()
        places.LOGS.mkdir(parents=True, exist_ok=True)
        with open(places.LOGS / "relays.log", "ab") as log:
            self.child = subprocess.Popen(
                [sys.executable, PROXY, str(self.port), str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                text=True, preexec_fn=processes.die_with_parent)
        assert self.child.stdout.readline() == "ready\n", "the relay does not start"

    def tell(self, command):
        self.child.stdin.write(command + "\n")
        self.child.stdin.flush()

    def close(self):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()


class Site:
    """Servers on a fresh database, with the definitions that all programs use."""

    def __init__(self, setting, stormy=False):
        self.store, self.postgres, self.stormy = setting.store, setting.postgres, stormy
        self.url, self.relays, self.down = setting.database(), [], threading.Lock()
        self.lease_s = STORMY_LEASE_S if stormy else CALM_LEASE_S
        self.clock = places.WORK / f"clock-{self.store}"
        self.stub = load.Stub()
        self.servers = [self.server(number) for number in range(2 if self.postgres else 1)]
        ports = [self.relay(server.port).port for server in self.servers] if stormy else [server.port for server in self.servers]
        self.api_urls = [f"http://127.0.0.1:{port}/api" for port in ports]
        calls = Calls(self.api_urls)
        calls.expect("POST", "/metadata/taskdefs", workers.definitions(self.lease_s))
        calls.expect("PUT", "/metadata/workflow", generate.common_workflows())

    def server(self, number):
        kind = "stormy" if self.stormy else "calm"
        return baton.Baton(f"programs-{self.store}-{kind}-{number}", self.database_url(), environment=self.environment())

    def database_url(self):
        """Each server of a stormy site has a way of its own to the database."""
        if not (self.postgres and self.stormy):
            return self.url
        return self.url.replace(f":{self.postgres.port}/", f":{self.relay(self.postgres.port).port}/")

    def environment(self):
        if not self.stormy or not FAKETIME:
            return None
        self.set_clock(0)
        # What measures durations goes on as it is: the machine's clock jumps, time itself does not.
        return {"LD_PRELOAD": str(FAKETIME[0]), "FAKETIME_TIMESTAMP_FILE": str(self.clock), "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}

    def set_clock(self, seconds):
        """How far the servers' clock is ahead of the machine's."""
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        os.replace(fresh, self.clock)

    def relay(self, port):
        self.relays.append(Relay(port))
        return self.relays[-1]

    def stub_url(self):
        return f"http://127.0.0.1:{self.stub.server_port}/add?n=1"

    def dead_waits(self):
        """Ids of open executions that wait in vain, by the store's own query."""
        query = (places.ROOT / "crates" / DEAD_WAITS[self.store] / "src" / "sql" / "dead_waits.sql").read_text()
        if self.postgres:
            return self.postgres.sql(self.url, f"prepare dead_waits as {query};\nexecute dead_waits({DEAD_WAITS_MOST})").split()
        file = f"file:{self.url.removeprefix('sqlite:')}?mode=ro"
        with contextlib.closing(sqlite3.connect(file, uri=True, timeout=10)) as database:
            return [bytes(row[0]).hex() for row in database.execute(query, (DEAD_WAITS_MOST,))]

    def close(self):
        for server in self.servers:
            server.stop()
        for relay in self.relays:
            relay.close()
        self.stub.shutdown()


# Faults. Each leaves everything as it was before.

def kill(site, chance):
    """A server dies as by a power cut, and comes back."""
    server = chance.choice(site.servers)
    server.kill()
    pause(DOWN_S)
    server.start()


def stand_still(site, chance):
    """A server does nothing for longer than a lease, and then goes on as if nothing had been."""
    server = chance.choice(site.servers)
    os.kill(server.process.pid, signal.SIGSTOP)
    pause(STILL_S)
    os.kill(server.process.pid, signal.SIGCONT)


def cut(site, chance):
    """Every connection of one way breaks: clients and a server, or a server and the database."""
    for _ in range(3):
        chance.choice(site.relays).tell("cut")
        pause(0.1)


def hold(site, chance):
    """Nothing gets through on one way, and nobody is told."""
    relay = chance.choice(site.relays)
    relay.tell(f"hold {HOLD_S}")
    pause(HOLD_S)
    relay.tell("cut")


def jump_ahead(site, _):
    """The machine's clock is set ahead by an hour, and back."""
    site.set_clock(JUMP_S)
    pause(STILL_S)
    site.set_clock(0)
    pause(1)


def jump_back(site, _):
    """The machine's clock is set back by an hour, and ahead again."""
    site.set_clock(-JUMP_S)
    pause(STILL_S)
    site.set_clock(0)
    pause(1)


def stop_database(site, _):
    """The database stops at once, and comes back."""
    with site.down:
        site.postgres.stop_at_once()
        pause(DOWN_S)
        site.postgres.start()


def faults_of(site):
    """Name -> fault, of those that this site can have."""
    found = {"kill -9": kill, "SIGSTOP": stand_still, "cut connections": cut, "held connections": hold}
    if FAKETIME:
        found |= {"clock ahead": jump_ahead, "clock back": jump_back}
    if site.postgres:
        found["database stopped"] = stop_database
    return found


def pause(seconds):
    """The moment of a fault is chosen by chance, not by a condition."""
    threading.Event().wait(seconds)
