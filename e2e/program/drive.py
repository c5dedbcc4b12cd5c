"""Runs programs on a site, hundreds at once: starts them, works for them, plays the people, and sees how they end."""
import heapq
import itertools
import queue
import threading
import time
import urllib.parse

from harness import api, waiting

from . import generate, judge, oracle, workers
from .calls import Calls, Unanswered

IN_FLIGHT = 300
POLL_COUNT, POLL_MS = 100, 400
REPORTERS, PEOPLE, STARTERS, CHECKERS = 6, 2, 3, 3
OBSERVE_S = 0.4
SEARCH_MOST = 5000
CORRELATION = "programs"
# Rounding of the lease's times on both sides.
LEASE_SLACK_S = 0.1
# A refusal of these says "not in this state"; Conductor has it so.
REFUSED_500 = ("resume", "skip")
DEAD_WAIT_S = 3
LATE = "did not end within"


class Run:
    """One program on its way."""

    def __init__(self, program, outcome):
        self.program, self.outcome = program, outcome
        self.name = program["workflows"][0]["name"]
        self.id, self.faults, self.disturbed = None, [], False
        self.started, self.last_operation, self.operations_left = None, 0, len(program["operations"])
        self.waiting_types = {definition["name"] for definition in program["workflows"] if asks_people(definition, self.operated)}

    @property
    def operated(self):
        return bool(self.program["operations"])


def asks_people(definition, operated):
    """Whether one of its steps waits for somebody; where people operate, they may have skipped what ends an hour's wait."""
    return any(task["type"] == "HUMAN" or (task["type"] == "WAIT" and waits_for_people(task.get("inputParameters"), operated))
               for task in oracle.steps(definition["tasks"]))


def waits_for_people(inputs, operated):
    """Whether a WAIT with this input is for people to end."""
    duration, until = (inputs or {}).get("duration"), (inputs or {}).get("until")
    return (not duration and not until) or (operated and duration == "1 hour")


class Driver:
    """All programs of one round on one site."""

    def __init__(self, site, runs, limit_s, spread_s=0):
        """Starts them within `spread_s` at the earliest, and `IN_FLIGHT` at once at most."""
        self.site, self.limit_s, self.spread_s, self.began = site, limit_s, spread_s, time.monotonic()
        self.waiting, self.open, self.done = list(reversed(runs)), {}, []
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.reports, self.checks, self.starts = queue.Queue(), queue.Queue(), queue.Queue()
        self.held, self.reported, self.later, self.order = {}, {}, [], itertools.count()
        self.site_faults, self.quiet_since = [], time.monotonic()
        self.total = len(runs)

    def run(self):
        """Until every program has ended or was given up; the runs, each with its faults."""
        loops = [lambda name=name: self.poll(name) for name in workers.QUEUES]
        loops += [self.report_all] * REPORTERS + [self.act_all] * PEOPLE + [self.start_all] * STARTERS
        loops += [self.check_all] * CHECKERS + [self.watch_for_dead_waits]
        threads = [threading.Thread(target=self.guarded, args=(loop,), daemon=True) for loop in loops]
        for thread in threads:
            thread.start()
        try:
            while len(self.done) < self.total:
                self.observe()
                self.stopping.wait(OBSERVE_S)
            self.see_the_rest_end()
        finally:
            self.stopping.set()
        for thread in threads:
            thread.join(2)
        return self.done

    def guarded(self, loop):
        """A loop of ours that breaks is a fault of the round, and the others go on."""
        while not self.stopping.is_set():
            try:
                loop()
            except Exception as error:  # whatever it is, it must not pass unseen
                self.site_faults.append(f"{getattr(loop, '__name__', 'poll')}: {error!r}")

    def until_stopped(self, source):
        """What comes out of a queue, while the round lasts."""
        while not self.stopping.is_set():
            try:
                yield source.get(timeout=0.2)
            except queue.Empty:
                continue

    # Starting.

    def start_all(self):
        calls = Calls(self.site.api_urls, next(self.order))
        for run in self.until_stopped(self.starts):
            try:
                self.start(calls, run)
            except (api.Refused, Unanswered) as error:
                self.finish(run, [str(error)])

    def start(self, calls, run):
        registered = calls.expect("PUT", "/metadata/workflow", generate.definitions_of(run.program))
        assert not registered["bulkErrorResults"], f"{run.name}: {registered}"
        inputs = {**run.program["input"], "stub": self.site.stub_url()}
        run.id = calls.expect("POST", "/workflow", {
            "name": run.name, "version": 1, "input": inputs, "correlationId": CORRELATION, "idempotencyKey": run.name,
            "idempotencyStrategy": "RETURN_EXISTING"})
        run.started = time.monotonic()
        with self.lock:
            for operation in run.program["operations"]:
                heapq.heappush(self.later, (run.started + operation["after_s"], next(self.order), run, operation))

    # Working.

    def poll(self, name):
        calls = Calls(self.site.api_urls, next(self.order))
        while not self.stopping.is_set():
            sent = time.monotonic()
            status, tasks = calls.call(
                "GET", f"/tasks/poll/batch/{name}?workerid=w-{name}&count={POLL_COUNT}&timeout={POLL_MS}")
            if status != 200:
                self.site_faults.append(f"poll {name}: {status} {tasks}")
                continue
            for task in tasks:
                self.take(task, sent)

    def take(self, task, sent):
        """Notes who holds the task, and plays its script."""
        lease_s, now = task.get("responseTimeoutSeconds") or self.site.lease_s, time.monotonic()
        before = self.held.get(task["taskId"])
        if before and now < before - LEASE_SLACK_S:
            name = f"{task['referenceTaskName']} {task['taskId']}"
            self.note(task, f"{name} handed out again {before - now:.2f} s before its lease ended")
        self.held[task["taskId"]] = sent + lease_s
        status, output, after_s = workers.answer(task["inputData"], task.get("retryCount", 0), task.get("pollCount", 1))
        if status is None:
            return
        report = {"workflowInstanceId": task["workflowInstanceId"], "taskId": task["taskId"], "workerId": "w", "status": status,
                  "outputData": output, "reasonForIncompletion": "as its script says" if "FAILED" in status else None}
        entry = (report, sent + lease_s)
        if after_s:
            with self.lock:
                heapq.heappush(self.later, (now + after_s, next(self.order), None, entry))
        else:
            self.reports.put(entry)

    def report_all(self):
        calls = Calls(self.site.api_urls, next(self.order))
        for report, lease_end in self.until_stopped(self.reports):
            self.held.pop(report["taskId"], None)
            status, answer = calls.call("POST", "/tasks", report)
            if status == 200:
                if report["status"] != "IN_PROGRESS" and time.monotonic() < lease_end - LEASE_SLACK_S:
                    self.reported[report["taskId"]] = report
            elif status not in (204, 404, 409):  # the task or its execution is no longer there, or another attempt has it
                self.site_faults.append(f"report: {status} {answer}")

    def note(self, task, fault):
        run = self.run_of(task.get("workflowType", ""))
        if run is None or not run.operated:  # what is rerun keeps its id
            self.site_faults.append(fault)

    def run_of(self, name):
        return self.open.get(name.split("_")[0]) if name.startswith("p") else None

    # People.

    def act_all(self):
        calls = Calls(self.site.api_urls, next(self.order))
        while not self.stopping.wait(0.02):
            with self.lock:
                due = heapq.heappop(self.later) if self.later and self.later[0][0] <= time.monotonic() else None
            if due is None:
                continue
            _, _, run, what = due
            if run is None:
                self.reports.put(what)
                continue
            try:
                self.act(calls, run, what)
            except Unanswered as error:
                run.faults.append(str(error))
            run.last_operation, run.operations_left = time.monotonic(), run.operations_left - 1

    def act(self, calls, run, operation):
        execution = self.read(calls, run.id)
        execution = self.some_child(calls, execution, operation["pick"])
        made = request_of(execution, operation)
        if made is None:
            return
        status, answer = calls.call(*made)
        known = status < 500 or (status == 500 and operation["do"] in REFUSED_500)
        if not known:
            run.faults.append(f"{operation['do']} of {execution['workflowId']}: {status} {answer}")

    def some_child(self, calls, execution, pick):
        """The execution itself mostly, and sometimes one of its children."""
        children = [task["subWorkflowId"] for task in execution.get("tasks", []) if task.get("subWorkflowId")]
        child = self.read(calls, children[pick % len(children)]) if children and pick % 4 == 0 else None
        return child or execution

    # Observing.

    def observe(self):
        """Who is open; who has ended is checked, who waits for people is served, who is late is given up."""
        with self.lock:
            while self.waiting and len(self.open) < IN_FLIGHT and self.may_start():
                run = self.waiting.pop()
                self.open[run.name] = run
                self.starts.put(run)
            asked = [run for run in self.open.values() if run.id and not run.operations_left]
        calls = Calls(self.site.api_urls, next(self.order))
        asked_at = time.monotonic()
        still = {}
        for one in self.open_executions(calls):
            still.setdefault(one["workflowType"].split("_")[0], []).append(one)
        for run in asked:
            if run.name not in still:
                with self.lock:
                    self.open.pop(run.name, None)
                self.checks.put(run)
            elif asked_at - max(run.started, run.last_operation, self.quiet_since) > self.limit_s:
                self.give_up(calls, run, still[run.name])
        for run in list(self.open.values()):
            self.serve(calls, run, still.get(run.name, ()))

    @staticmethod
    def open_executions(calls):
        """What the search says of every execution of programs that has not ended, children and failure workflows included."""
        query = urllib.parse.quote(f'correlationId = "{CORRELATION}" AND status IN (RUNNING,PAUSED)')
        return calls.expect("GET", f"/workflow/search?size={SEARCH_MOST}&query={query}")["results"]

    def see_the_rest_end(self):
        """What programs started and did not wait for must end too."""
        calls = Calls(self.site.api_urls)
        try:
            waiting.until(lambda: not self.open_executions(calls), self.limit_s, "what programs started ends")
        except waiting.Late as late:
            left = [f"{one['workflowType']} {one['workflowId']}" for one in self.open_executions(calls)]
            self.site_faults.append(f"{late}: {left[:10]}")

    def may_start(self):
        """Whether it is the next one's turn."""
        begun = self.total - len(self.waiting)
        return begun * self.spread_s <= (time.monotonic() - self.began) * self.total

    def serve(self, calls, run, executions):
        """What people do for a program without being told: they answer what waits for them, and let go on what was paused."""
        for one in executions:
            if one["status"] == "PAUSED" and not run.operations_left:
                calls.call("PUT", f"/workflow/{one['workflowId']}/resume")
            if one["workflowType"] not in run.waiting_types:
                continue
            execution = self.read(calls, one["workflowId"]) or {}
            for task in execution.get("tasks", []):
                people_end_all = run.operated and not run.operations_left
                asks = task["taskType"] == "HUMAN" or (
                    task["taskType"] == "WAIT" and waits_for_people(task.get("inputData"), people_end_all))
                if asks and task["status"] == "IN_PROGRESS":
                    path = f"/tasks/{one['workflowId']}/{task['referenceTaskName']}/COMPLETED"
                    calls.call("POST", path, dict(workers.PERSON_SAYS))

    def give_up(self, calls, run, executions):
        """Says what it waits for, and ends it so that it disturbs nobody."""
        words = [f"{LATE} {self.limit_s} s"]
        for one in executions[:4]:
            status, said = calls.call("GET", f"/workflow/{one['workflowId']}/explain")
            summary = said.get("summary") if status == 200 else said
            words.append(f"  {one['workflowType']} {one['workflowId']} is {one['status']}: {summary}")
        for one in executions:
            calls.call("DELETE", f"/workflow/{one['workflowId']}?reason=late")
        self.finish(run, ["\n".join(words)])

    def watch_for_dead_waits(self):
        """While programs run, every open one must own a reason to move again."""
        while not self.stopping.wait(DEAD_WAIT_S):
            with self.site.down:
                dead = self.site.dead_waits()
            if dead:
                self.site_faults.append(f"open executions that nothing will move: {dead}")

    # Checking.

    def check_all(self):
        calls = Calls(self.site.api_urls, next(self.order))
        for run in self.until_stopped(self.checks):
            try:
                self.finish(run, self.check(calls, run))
            except (Unanswered, KeyError, TypeError, AttributeError) as error:
                self.finish(run, [f"cannot be checked: {error!r}"])

    def check(self, calls, run):
        kept = {}

        def read(execution_id):
            if execution_id not in kept:
                kept[execution_id] = self.read(calls, execution_id)
            return kept[execution_id]

        execution = read(run.id)
        if execution is None:
            return [f"an acknowledged start is not there: {run.id}"]
        faults = list(judge.broken(read, execution, run.operated))
        if not run.operated:
            faults += self.lost_reports(kept.values())
            faults += self.failure_faults(read, kept)
            if run.outcome and not faults:
                try:
                    faults += judge.differences(read, execution, run.outcome, self.site.stormy)
                except judge.Disturbed:
                    run.disturbed = True
        return faults

    def lost_reports(self, executions):
        """Results that were acknowledged within their lease, and are not in the record."""
        for execution in list(executions):
            for task in execution.get("tasks", []):
                report = self.reported.get(task["taskId"])
                if report is None or task["status"] in ("CANCELED", "COMPLETED_WITH_ERRORS"):
                    continue
                kept = (task["status"], task.get("outputData") or {})
                if report["status"] != kept[0] or not judge.equal(report["outputData"], kept[1]):
                    yield f"{task['referenceTaskName']}: acknowledged {report['status']} {report['outputData']}, kept {kept}"

    def failure_faults(self, read, kept):
        """Failure workflows that were to be started, and are not there."""
        for execution in list(kept.values()):
            wanted = (execution.get("workflowDefinition") or {}).get("failureWorkflow")
            named = (execution.get("output") or {}).get(judge.OF_FAILURE)
            by_parent = "Parent workflow" in (execution.get("reasonForIncompletion") or "")
            if wanted and execution["status"] in ("FAILED", "TIMED_OUT") and not named:
                yield f"{execution['workflowId']}: no failure workflow was started"
            if named and not by_parent and read(named) is None:
                yield f"{execution['workflowId']}: its failure workflow {named} is not there"

    def read(self, calls, execution_id):
        status, execution = calls.call("GET", f"/workflow/{execution_id}?includeTasks=true")
        return execution if status == 200 else None

    def finish(self, run, faults):
        run.faults += faults
        with self.lock:
            self.open.pop(run.name, None)
            self.done.append(run)


def request_of(execution, operation):
    """The call of a person's operation on an execution; `None` when it has nothing to be done to."""
    where, do, pick = f"/workflow/{execution['workflowId']}", operation["do"], operation["pick"]
    tasks = execution.get("tasks", [])
    if do in ("pause", "resume"):
        return "PUT", f"{where}/{do}"
    if do == "terminate":
        return "DELETE", f"{where}?reason=a+person"
    if do == "retry":
        return "POST", f"{where}/retry?resumeSubworkflowTasks={'true' if pick % 2 else 'false'}"
    if do == "restart":
        return "POST", f"{where}/restart"
    if do == "rerun":
        return "POST", f"{where}/rerun", {}
    if do == "rerun-task":
        return ("POST", f"{where}/rerun", {"reRunFromTaskId": tasks[pick % len(tasks)]["taskId"]}) if tasks else None
    if do == "skip":
        refs = list(oracle.references((execution.get("workflowDefinition") or {}).get("tasks", [])))
        return ("PUT", f"{where}/skiptask/{refs[pick % len(refs)]}") if refs else None
    if do == "decide":
        return "PUT", f"/workflow/decide/{execution['workflowId']}"
    if do == "reset":
        return "POST", f"{where}/resetcallbacks"
    return "POST", f"/tasks/{execution['workflowId']}/COMPLETED/signal", dict(workers.PERSON_SAYS)
