"""What survives when processes die under load: two gateways and two executors on one PostgreSQL.

A round starts executions, breaks something while they run, puts it back, and then demands that every acknowledged
execution is found and ends right, that no result was applied twice, and that no open execution waits for nothing.
`E2E_FAULT_ROUNDS` says how many rounds of each fault (20); `E2E_FAULT_SEED` repeats the moments of a run.
"""
import os
import random
import threading
import time

import load
from harness import baton, places, waiting

ROUNDS = int(os.environ.get("E2E_FAULT_ROUNDS", "20"))
STARTS, START_SECONDS = 60, 1.5
FAULT_EARLIEST_S, FAULT_LATEST_S = 0.3, 1.4
DOWN_SECONDS = 0.3
END_SECONDS = 60
# Stricter than the store's own query: who waits for nothing but a child needs one that is open, or a message on its way.
CHILDLESS = """
select e.id from execution e
where e.ended_at is null and e.waits = 4
    and not exists (select from execution c where c.parent = e.id and c.ended_at is null)
    and not exists (select from message m where e.id in (m.from_id, m.to_id))
"""
TWINS = "select parent, parent_seq from execution where parent is not null group by 1, 2 having count(*) > 1 limit 5"
DEAD_WAITS = places.ROOT / "crates" / "store-postgres" / "src" / "sql" / "dead_waits.sql"


class Loaded:
    """Gateways on a database, and the load on them."""

    def __init__(self, api_urls):
        self.stub = load.Stub()
        self.client = load.Cluster(api_urls, 0)
        self.expect("POST", "/metadata/taskdefs", load.task_definitions())
        self.expect("PUT", "/metadata/workflow", load.workflow_definitions(self.stub.server_port))
        self.driver = load.Driver(api_urls)

    def expect(self, method, path, body=None):
        status, answer = self.client.call(method, path, body)
        assert 200 <= status < 300, f"{method} {path}: {status} {answer}"
        return answer

    def sql(self, command):
        """Rows of the database, as text."""
        raise NotImplementedError

    def open_executions(self):
        return int(self.sql("select count(*) from execution where ended_at is null"))

    def dead_waits(self):
        """What the store's own query finds."""
        return self.sql(f"prepare dead_waits as {DEAD_WAITS.read_text()};\nexecute dead_waits(20)").split()

    def close(self):
        self.driver.stop()
        self.stub.shutdown()


class Site(Loaded):
    """The processes, the database and the load."""

    def __init__(self, setting, binaries=(None, None)):
        self.postgres, self.url = setting.postgres, setting.database()
        # One after the other: the first brings the schema.
        self.gateways = [baton.Gateway(f"gateway-{number}", self.url, binary=binary) for number, binary in enumerate(binaries, 1)]
        self.executors = [baton.Executor(f"executor-{number}", gateway.url, binary=gateway.binary)
                          for number, gateway in enumerate(self.gateways, 1)]
        super().__init__([gateway.api_url for gateway in self.gateways])

    def sql(self, command):
        return self.postgres.sql(self.url, command)

    def close(self):
        self.driver.stop()
        for process in (*self.executors, *self.gateways):
            process.stop()
        self.stub.shutdown()


def kill_a_gateway(site, number):
    gateway = site.gateways[number % len(site.gateways)]
    gateway.kill()
    pause(DOWN_SECONDS)
    gateway.start()


def kill_an_executor(site, number):
    executor = site.executors[number % len(site.executors)]
    executor.kill()
    pause(DOWN_SECONDS)
    executor.start()


def stop_postgres(site, _):
    site.postgres.stop_at_once()
    pause(DOWN_SECONDS)
    site.postgres.start()


FAULTS = {"kill -9 of a gateway": kill_a_gateway, "kill -9 of an executor": kill_an_executor,
          "immediate stop of PostgreSQL": stop_postgres}


def run(setting, results):
    """Every fault `ROUNDS` times, on one site that lives through all of them."""
    seed = int(os.environ.get("E2E_FAULT_SEED") or random.SystemRandom().randrange(10**6))
    moments = random.Random(seed)
    site = Site(setting)
    try:
        for fault, breaks in FAULTS.items():
            for number in range(1, ROUNDS + 1):
                before = len(results.failed)
                name = f"{fault}, round {number} of {ROUNDS}, E2E_FAULT_SEED={seed}"
                with results.guard(name):
                    results.ok(name, one_round(site, breaks, number, moments))
                if len(results.failed) > before:
                    return  # what is stuck would fail every later round too
    finally:
        site.close()


def one_round(site, breaks, number, moments):
    """Load, fault, end, check; what it saw."""
    before = set(site.driver.ledger.started)
    starters = site.driver.begin_starts(STARTS, START_SECONDS)
    pause(moments.uniform(FAULT_EARLIEST_S, FAULT_LATEST_S))
    in_flight = site.open_executions()
    breaks(site, number)
    began = time.monotonic()
    check_no_dead_wait(site)
    for thread in starters:  # they take a while, so the load goes on after the fault
        thread.join(load.GIVE_UP_SECONDS)
        assert not thread.is_alive(), "a start was not answered"
    assert not site.driver.ledger.refused, f"refused: {site.driver.ledger.refused[:5]}"
    assert in_flight, "nothing was in flight at the fault"
    mine = {one: count for one, count in site.driver.ledger.started.items() if one not in before}
    assert len(mine) == STARTS, f"{len(mine)} of {STARTS} starts have an execution of their own"
    check_no_dead_wait(site)
    try:
        waiting.until(lambda: site.open_executions() == 0, END_SECONDS, "every execution ends")
    except waiting.Late as late:
        raise AssertionError(f"{late}\n{describe_open(site)}") from None
    took = time.monotonic() - began
    retried = sum(check_execution(site, one, count) for one, count in mine.items())
    check_database(site)
    return f"{in_flight} in flight, all {STARTS} ended right within {took:.1f} s, {retried} attempts repeated"


def describe_open(site):
    """What the first executions that stay open wait for."""
    rows = site.sql("select id || ' ' || workflow_name || ' waits ' || waits || ' wakes ' || coalesce(wake_at::text, 'never')"
                    " from execution where ended_at is null order by created_at limit 4").splitlines()
    for number, row in enumerate(rows):
        tasks = site.expect("GET", f"/workflow/{row.split()[0]}?includeTasks=true")["tasks"]
        rows[number] += "".join(f"\n    {task['referenceTaskName']} {task['status']} {task.get('workerId', '')}" for task in tasks)
        children = site.sql(f"select id || ' status ' || status from execution where parent = '{row.split()[0]}'")
        rows[number] += f"\n    children: {children or 'none'}"
    messages = site.sql("select from_id || ' to ' || to_id || ' sent ' || sent_at from message limit 4")
    counts = f"{site.open_executions()} open, now {time.time() * 1000:.0f}, messages: {messages or 'none'}"
    return "\n".join([counts, *rows])


def check_no_dead_wait(site):
    dead = site.dead_waits()
    assert not dead, f"open executions that nothing will move: {dead}"
    childless = site.sql(CHILDLESS).split()
    assert not childless, f"open executions that wait for a child, whose end was never received or which never started: {childless}"
    twins = site.sql(TWINS)
    assert not twins, f"tasks with two children: {twins}"


def check_database(site):
    """What can be counted over all executions of all rounds."""
    check_no_dead_wait(site)
    made = int(site.sql(f"select count(*) from execution where workflow_name = '{load.WORKFLOW}'"))
    acknowledged = len(site.driver.ledger.started)
    assert made == acknowledged, f"{acknowledged} starts acknowledged, {made} executions made"


def check_execution(site, execution_id, number):
    """Ended right, each result applied once and seen by its successors; how many attempts were repeated."""
    execution = site.expect("GET", f"/workflow/{execution_id}?includeTasks=true")
    where = f"execution {execution_id}"
    assert execution["status"] == "COMPLETED", f"{where}: {execution['status']} {execution.get('reasonForIncompletion')}"
    assert execution["output"]["n"] == load.expected_output(number), f"{where}: output {execution['output']}"
    done = check_attempts(where, execution)
    child_id = done["child"]["subWorkflowId"]
    child = site.expect("GET", f"/workflow/{child_id}?includeTasks=true")
    assert child["status"] == "COMPLETED", f"{where}: child {child_id} is {child['status']}"
    only = check_attempts(f"child {child_id}", child)["only"]
    tokens = {reference: done[reference]["outputData"]["token"] for reference in ("first", "left", "last")}
    tokens["only"] = only["outputData"]["token"]
    for task in (done["first"], done["left"], done["last"], only):
        check_token(site, where, task, tokens[task["referenceTaskName"]])
    called = done["right"]["outputData"]["response"]["body"]["token"]
    assert called in site.stub.tokens, f"{where}: the host that was called never gave {called}"
    saw = done["last"]["inputData"]
    assert done["left"]["inputData"]["saw"] == tokens["first"], f"{where}: left saw another result of first"
    assert saw["saw"] == tokens["left"], f"{where}: last saw another result of left"
    assert saw["sawCall"] == called, f"{where}: last saw another result of the call"
    assert saw["sawChild"] == tokens["only"], f"{where}: last saw another result of the child"
    assert execution["output"]["token"] == tokens["last"], f"{where}: the output holds another result of last"
    return len(execution["tasks"]) + len(child["tasks"]) - len(done) - 1


def check_attempts(where, execution):
    """Reference -> its completed task: attempts are numbered from 0 without gap, and only the last completed."""
    attempts, done = {}, {}
    for task in execution["tasks"]:
        attempts.setdefault(task["referenceTaskName"], []).append(task)
    for reference, tasks in attempts.items():
        numbers = [task.get("retryCount", 0) for task in tasks]
        assert numbers == list(range(len(tasks))), f"{where}: attempts {numbers} of {reference}"
        completed = [task["status"] == "COMPLETED" for task in tasks]
        assert completed == [False] * (len(tasks) - 1) + [True], f"{where}: {reference} {[task['status'] for task in tasks]}"
        done[reference] = tasks[-1]
    ids = [task["taskId"] for task in execution["tasks"]]
    assert len(ids) == len(set(ids)), f"{where}: a task id twice"
    return done


def check_token(site, where, task, token):
    """The recorded result is one that a worker sent for this very task."""
    sent = site.driver.ledger.reported.get(task["taskId"], set())
    assert token in sent, f"{where}: {task['referenceTaskName']} holds a result that nobody sent for it"


def pause(seconds):
    """The moment of a fault is chosen by chance, not by a condition."""
    threading.Event().wait(seconds)
