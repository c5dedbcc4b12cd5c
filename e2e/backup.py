"""Point-in-time recovery of PostgreSQL, by the very commands of docs/how-to/backup.md.

A cluster works; a base backup is taken meanwhile; it works on, and a moment is noted; it works on until all is done.
Then the disk is lost, the moment is brought back, and everything that was acknowledged by then must end right.
"""
import os
import re
import subprocess
import threading
import time

import faults
import load
from harness import api, places, postgres, waiting

HOW_TO = places.ROOT / "docs" / "how-to" / "backup.md"
ARCHIVE, BASE, BRING_BACK = PARTS = ("Archive the log", "Take a base backup", "Bring back a moment")
BEFORE, DURING, DURING_SECONDS = 30, 60, 3
END_SECONDS = 60
HELD, HOLD = "backup_held", "backup_hold"
# After the moment nothing of the old time may be seen as of it: PostgreSQL stops before the first later commit.
GAP_SECONDS = 0.05


class Place:
    """A setting with a server of its own, which this suite may destroy."""

    def __init__(self):
        self.postgres = postgres.Postgres()
        # So that the commands of the manual need no flags for what is a matter of this test.
        conf = self.postgres.data / "postgresql.conf"
        with open(conf, "a") as file:
            file.write(f"port = {self.postgres.port}\nunix_socket_directories = '{self.postgres.home}'\n")

    def database(self):
        return self.postgres.database()


def blocks_of_page():
    """The shell commands of each part of the manual that is run here."""
    parts = re.split(r"^### (.+)$", HOW_TO.read_text(), flags=re.M)
    found = {}
    for heading, text in zip(parts[1::2], parts[2::2]):
        for part in (part for part in PARTS if heading.startswith(part)):
            [found[part]] = re.findall(r"^```sh[^\n]*\n(.*?)^```$", text, flags=re.M | re.S)
    return found


def runs(page, text):
    """Whether this suite runs these lines of a page."""
    return page == HOW_TO.relative_to(places.ROOT).as_posix() and text in blocks_of_page().values()


class Commands:
    """The shell commands of the manual, by the heading they stand below."""

    def __init__(self, server, url):
        self.server = server
        self.variables = {"PGDATA": server.data, "DATABASE_URL": url, "ARCHIVE": server.home / "archive",
                          "BASE": server.home / "base", "PATH": f"{server.programs}:/usr/bin:/bin"}
        self.blocks = blocks_of_page()

    def run(self, heading, **variables):
        text = self.blocks[heading]
        environment = {name: str(value) for name, value in {**self.variables, **variables}.items()}
        with open(places.LOGS / "backup-commands.log", "a+") as log:
            done = subprocess.run(["/bin/bash", "-euo", "pipefail", "-c", text], cwd=self.server.home, env=environment,
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.server.identity())
        assert done.returncode == 0, f"{heading}: {self.last_words()}"

    def last_words(self):
        logs = (places.LOGS / "backup-commands.log", self.server.data / "log")
        return "\n".join(log.read_text(errors="replace")[-2000:] for log in logs if log.exists())


def run(_, results):
    """One case; the server of the other suites is not touched."""
    place = Place()
    site = faults.Site(place)
    try:
        with results.guard("backup: point-in-time recovery"):
            results.ok("backup: point-in-time recovery", recover(site, place.postgres))
    finally:
        site.close()
        place.postgres.close()


def recover(site, server):
    """What was acknowledged by the moment is there, ends right, and repeats what workers did after it."""
    commands = Commands(server, site.url)
    make_archive(server, commands.variables["ARCHIVE"])
    commands.run(ARCHIVE)
    starters = site.driver.begin_starts(BEFORE, 1)
    commands.run(BASE)
    finish(site, starters)
    held = hold(site)
    starters = site.driver.begin_starts(DURING, DURING_SECONDS)
    half = BEFORE + DURING // 2
    waiting.until(lambda: len(site.driver.ledger.started) >= half, END_SECONDS, "half of the starts are acknowledged")
    acknowledged = dict(site.driver.ledger.started)
    moment = site.sql("select clock_timestamp()")
    threading.Event().wait(GAP_SECONDS)
    finish(site, starters)
    later = set(site.driver.ledger.started) - set(acknowledged)
    report(site, held)
    waiting.until(lambda: site.open_executions() == 0, END_SECONDS, "everything ends before the disk is lost")
    lose(site, server, commands, moment)
    return check(site, acknowledged, later, held)


def make_archive(server, folder):
    folder.mkdir()
    if server.owner:
        os.chown(folder, server.owner.pw_uid, server.owner.pw_gid)


def finish(site, starters):
    for thread in starters:
        thread.join(load.GIVE_UP_SECONDS)
    assert not site.driver.ledger.refused, f"refused: {site.driver.ledger.refused[:5]}"


def hold(site):
    """An execution whose task a worker takes before the moment, and ends after it."""
    site.expect("POST", "/metadata/taskdefs", [{"name": HOLD, "retryCount": 5, "retryDelaySeconds": 0, "timeoutSeconds": 0,
                                                "responseTimeoutSeconds": load.RESPONSE_TIMEOUT_S * 10}])
    step = {"name": HOLD, "taskReferenceName": "hold", "type": "SIMPLE"}
    site.expect("PUT", "/metadata/workflow", [{"name": HELD, "version": 1, "tasks": [step], "ownerEmail": "e2e@example.com"}])
    site.expect("POST", f"/workflow/{HELD}", {})
    return poll(site)


def poll(site):
    tasks = site.expect("GET", f"/tasks/poll/batch/{HOLD}?workerid=holder&count=1&timeout=1000")
    return tasks[0] if tasks else None


def report(site, task):
    site.expect("POST", "/tasks", {"workflowInstanceId": task["workflowInstanceId"], "taskId": task["taskId"],
                                   "workerId": "holder", "status": "COMPLETED"})


def lose(site, server, commands, moment):
    """Ends everything at once and brings back the moment from base backup and archive alone."""
    for process in (*site.executors, *site.gateways):
        process.kill()
    last = site.sql("select pg_walfile_name(pg_switch_wal())")
    archived = commands.variables["ARCHIVE"] / last
    waiting.until(archived.exists, END_SECONDS, "the log is archived")
    commands.run(BRING_BACK, TARGET_TIME=moment)
    for process in (*site.gateways, *site.executors):
        process.start()


def check(site, acknowledged, later, held):
    """Holds what came back against what was acknowledged by the moment."""
    client = site.client
    began = time.monotonic()
    open_then = site.open_executions()
    assert open_then, "nothing was open at the moment"
    faults.check_no_dead_wait(site)
    stands = client.call("GET", f"/workflow/{held['workflowInstanceId']}")[1]
    assert stands["status"] == "RUNNING", f"the held execution is {stands['status']} at the moment"
    again = waiting.until(lambda: poll(site), END_SECONDS, "the held task is handed out again")
    assert again["workflowInstanceId"] == held["workflowInstanceId"] and again["retryCount"] == 1, again
    report(site, again)
    try:
        waiting.until(lambda: site.open_executions() == 0, END_SECONDS, "every execution ends after the recovery")
    except waiting.Late as late:
        raise AssertionError(f"{late}\n{faults.describe_open(site)}") from None
    took = time.monotonic() - began
    repeated = sum(faults.check_execution(site, one, number) for one, number in acknowledged.items())
    # A start that was on its way at the moment may be on either side of it.
    gone = [one for one in later if client.call("GET", f"/workflow/{one}")[0] == 404]
    assert gone, "nothing of what came after the moment is gone"
    faults.check_no_dead_wait(site)
    assert not site.driver.ledger.refused, f"refused: {site.driver.ledger.refused[:5]}"
    fresh = api.Client(site.gateways[0].api_url).expect("POST", f"/workflow/{HELD}", {})
    report(site, waiting.until(lambda: poll(site), END_SECONDS, "a new execution runs"))
    assert site.expect("GET", f"/workflow/{fresh}")["status"] == "COMPLETED"
    return (f"{len(acknowledged)} acknowledged by the moment all ended right, {open_then} were open then and ended within "
            f"{took:.1f} s, {repeated} attempts repeated, {len(gone)} later ones gone")
