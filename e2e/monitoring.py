"""Prometheus against a live engine: every panel of every dashboard has data, each alert fires on its fault, and only then.

Faults that do not touch each other are made together: the alerts' labels tell them apart. Minutes of the rules are seconds.
"""
import contextlib
import json
import math
import re
import signal
import subprocess
import threading

import faults
import load
from harness import baton, places, processes, prometheus, waiting

RULES = places.ROOT / "deploy" / "prometheus"
RUNBOOKS = places.ROOT / "docs" / "runbooks"
BOARDS = places.ROOT / "deploy" / "grafana" / "dashboards"
SCRIPTS = "monitored_scripts"
ORPHAN, FAILING, SLOW, SILENT = "monitored_orphan", "monitored_failing", "monitored_slow", "monitored_silent"
PULSE_SECONDS, FAIL_SECONDS, SLOW_SECONDS = 0.4, 0.2, 0.7
DATA_SECONDS, FIRE_SECONDS, CALM_SECONDS = 60, 90, 90
# Long enough for the longest window and wait of a rule, one after the other.
QUIET_SECONDS = 20
STOPPED_SECONDS, RUNNING_SECONDS = 2, 1.5
READY = 3


def run(setting, results):
    with results.case("monitoring: the rules are sound, and pass their own tests"):
        check_rules()
    with results.case("monitoring: each alert has its runbook"):
        check_runbooks()
    with contextlib.closing(Site(setting)) as site:
        with results.guard("monitoring: every panel has data"):
            results.ok("monitoring: every panel has data", check_panels(site))
        with results.case("monitoring: a healthy engine under load is quiet"):
            check_quiet(site)
        for name, fault in FAULTS.items():
            before = len(results.failed)
            with results.case(f"monitoring: {name}"):
                fault(site)
                waiting.until(lambda: not site.prometheus.firing(), CALM_SECONDS, f"{name}: its alerts end")
            if len(results.failed) > before:
                print(f"        firing at the end: {sorted(site.prometheus.firing())}")
                return  # what still fires would be the next fault's


def check_rules():
    for words in (["check", "config", RULES / "prometheus.yaml"], ["test", "rules", RULES / "alerts.test.yaml"]):
        done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    rules, tests = (RULES / "alerts.yaml").read_text(), (RULES / "alerts.test.yaml").read_text()
    for alert in alerts(rules):
        outcomes = re.findall(rf"alertname: {alert}(, exp_alerts: \[\]|\n *exp_alerts:\n)", tests)
        assert len(set(outcomes)) == 2, f"{alert} is not shown both firing and quiet"


def alerts(rules):
    return re.findall(r"- alert: (\w+)$", rules, re.MULTILINE)


def check_runbooks():
    rules = (RULES / "alerts.yaml").read_text()
    pages = {}
    for alert, page in re.findall(r"- alert: (\w+)$.*?runbook_url: \S+/docs/runbooks/(\S+)$", rules, re.MULTILINE | re.DOTALL):
        pages[page] = alert
    assert len(pages) == len(alerts(rules)), f"{len(pages)} pages for {len(alerts(rules))} alerts"
    written = {path.name for path in RUNBOOKS.glob("*.md")} - {"README.md"}
    assert written == pages.keys(), f"without a page or an alert: {written ^ pages.keys()}"
    for page, alert in pages.items():
        text = (RUNBOOKS / page).read_text()
        assert alert in text, f"{page} does not name {alert}"
        for heading in ("## What it means", "## How to look", "## What to do"):
            assert heading in text, f"{page}: no {heading}"


class Site(faults.Loaded):
    """One gateway, one executor, a load without end, and Prometheus."""

    def __init__(self, setting):
        self.postgres, self.url = setting.postgres, setting.database()
        self.gateway = baton.Gateway("monitored-gateway", self.url)
        port = processes.free_port()
        self.executor = baton.Executor("monitored-executor", self.gateway.url, ["--metrics-listen", f"127.0.0.1:{port}"])
        super().__init__([self.gateway.api_url])
        self.expect("POST", "/metadata/taskdefs", task_definitions())
        self.expect("PUT", "/metadata/workflow", workflow_definitions())
        self.prometheus = prometheus.Prometheus(
            {"baton-gateway": [f"127.0.0.1:{self.gateway.port}"], "baton-executor": [f"127.0.0.1:{port}"]})
        self.pulse = Loop(self, PULSE_SECONDS, lambda site: [site.start(name) for name in (load.WORKFLOW, SCRIPTS)])

    def start(self, name):
        return self.expect("POST", "/workflow", {"name": name, "version": 1, "input": {"n": 1}})

    def sql(self, command):
        return self.postgres.sql(self.url, command)

    def close(self):
        self.pulse.stop()
        super().close()
        for process in (self.prometheus, self.executor, self.gateway):
            process.stop()


class Loop:
    """Does something again and again, on a thread and with a client of its own."""

    def __init__(self, site, seconds, act):
        self.stopping, self.client = threading.Event(), load.Cluster([site.gateway.api_url], 0)
        self.thread = threading.Thread(target=self.run, args=(seconds, act), daemon=True)
        self.thread.start()

    def run(self, seconds, act):
        while not self.stopping.wait(seconds):
            act(self)

    def expect(self, method, path, body=None):
        status, answer = self.client.call(method, path, body)
        assert 200 <= status < 300, f"{method} {path}: {status} {answer}"
        return answer

    start = Site.start

    def stop(self):
        self.stopping.set()
        self.thread.join(load.GIVE_UP_SECONDS)


def task_definitions():
    common = {"retryLogic": "FIXED", "retryDelaySeconds": 0, "timeoutSeconds": 0, "timeoutPolicy": "RETRY"}
    retries = {ORPHAN: (0, 60), FAILING: (0, 60), SLOW: (0, 60), SILENT: (100, 1)}
    return [{"name": name, "retryCount": count, "responseTimeoutSeconds": response, **common}
            for name, (count, response) in retries.items()]


def workflow_definitions():
    common = {"version": 1, "schemaVersion": 2, "timeoutSeconds": 0, "ownerEmail": "e2e@example.com"}
    one_step = [{"name": name, "tasks": [{"name": name, "taskReferenceName": "only", "type": "SIMPLE"}], **common}
                for name in (ORPHAN, FAILING, SLOW, SILENT)]
    inline = {"name": "inline", "taskReferenceName": "inline", "type": "INLINE",
              "inputParameters": {"evaluatorType": "javascript", "expression": "$.n + 1", "n": "${workflow.input.n}"}}
    jq = {"name": "jq", "taskReferenceName": "jq", "type": "JSON_JQ_TRANSFORM",
          "inputParameters": {"n": "${workflow.input.n}", "queryExpression": ".n + 1"}}
    return [*one_step, {"name": SCRIPTS, "tasks": [inline, jq], **common}]


def work(task_type, report):
    """What a worker does: one poll, and what `report` makes of the task; none: it falls silent."""
    def act(loop):
        tasks = loop.expect("GET", f"/tasks/poll/batch/{task_type}?workerid=monitored&count=1&timeout=200")
        for task in tasks:
            if report:
                loop.expect("POST", "/tasks", {
                    "workflowInstanceId": task["workflowInstanceId"], "taskId": task["taskId"], "workerId": "monitored",
                    "status": report, "outputData": {}})

    return act


def check_panels(site):
    """Each query of each panel gives numbers."""
    boards = [json.loads(path.read_text()) for path in sorted(BOARDS.glob("*.json"))]
    queries = [(f"{board['title']}, {panel['title']}", target["expr"].replace("$__rate_interval", "10s"))
               for board in boards for panel in board["panels"] for target in panel["targets"]]
    assert len(boards) == 4 and len(queries) > 40, f"{len(queries)} queries of {len(boards)} dashboards"

    def all_had_data():
        empty[:] = [(where, query) for where, query in empty
                    if not any(math.isfinite(value) for _, value in site.prometheus.query(query))]
        return not empty

    empty = list(queries)
    # Busy workers: some tasks are ready all the time, none for long.
    for _ in range(READY):
        site.start(SLOW)
    busy = Loop(site, SLOW_SECONDS, lambda loop: (loop.start(SLOW), work(SLOW, "COMPLETED")(loop)))
    try:
        waiting.until(all_had_data, DATA_SECONDS, "every panel has data")
    except waiting.Late as late:
        raise AssertionError(f"{late}; without: {empty}") from None
    finally:
        busy.stop()
        drain(site, SLOW)
    return f"{sum(len(board['panels']) for board in boards)} panels, {len(queries)} queries"


def check_quiet(site):
    """Nothing fires, and nothing has since the beginning."""
    def watched():
        counts = [count for _, count in site.prometheus.query(f"count_over_time(up[{QUIET_SECONDS}s])")]
        return len(counts) == 2 and min(counts) >= QUIET_SECONDS - 1

    waiting.until(watched, DATA_SECONDS, "it was watched long enough")
    fired = site.prometheus.query('max_over_time(ALERTS{alertstate="firing"}[1h])')
    assert not fired, f"fired: {fired}"


def expect_alerts(site, wanted, beside=()):
    """Waits until all of `wanted` fire; nothing else may, but for alerts `beside`, which tell the same fault in another way."""
    def told():
        firing = site.prometheus.firing()
        strange = {one for one in firing - wanted if one[0] not in beside}
        assert not strange, f"fires without a reason: {strange}"
        return wanted <= firing

    try:
        waiting.until(told, FIRE_SECONDS, f"{sorted(wanted)} fire")
    except waiting.Late as late:
        raise AssertionError(f"{late}; firing: {sorted(site.prometheus.firing())}") from None


def workers_go_wrong(site):
    """A type without a worker, one whose workers fail, one whose worker is too slow, one whose worker falls silent."""
    orphans = [site.start(ORPHAN) for _ in range(3)]
    silent = [site.start(SILENT) for _ in range(10)]
    for _ in range(60):
        site.start(SLOW)
    fails = Loop(site, FAIL_SECONDS, lambda loop: (loop.start(FAILING), work(FAILING, "FAILED")(loop)))
    slow = Loop(site, SLOW_SECONDS, work(SLOW, "COMPLETED"))
    falls_silent = Loop(site, 0, work(SILENT, None))
    try:
        # A lease that runs out is a failed attempt of its type, too.
        expect_alerts(site, {("BatonQueueWithoutWorker", ORPHAN), ("BatonTaskTypeFails", FAILING), ("BatonBacklog", SLOW),
                             ("BatonLeasesRunOut", ""), ("BatonTaskTypeFails", SILENT)})
    finally:
        for loop in (fails, slow, falls_silent):
            loop.stop()
    for execution in (*orphans, *silent):
        site.expect("DELETE", f"/workflow/{execution}")
    drain(site, SLOW, FAILING)


def drain(site, *names):
    """Works off what is ready, with workers that are quick and right."""
    for name in names:
        left = f"select 1 from execution where ended_at is null and workflow_name = '{name}' limit 1"
        quick = Loop(site, 0, work(name, "COMPLETED"))
        try:
            waiting.until(lambda: not site.sql(left), CALM_SECONDS, f"the backlog of {name} is worked off")
        finally:
            quick.stop()


def engine_is_starved(site):
    """The gateway gets no processor time for seconds, again and again."""
    stop = threading.Event()

    def starve():
        while not stop.is_set():
            site.gateway.process.child.send_signal(signal.SIGSTOP)
            stop.wait(STOPPED_SECONDS)
            site.gateway.process.child.send_signal(signal.SIGCONT)
            stop.wait(RUNNING_SECONDS)

    thread = threading.Thread(target=starve, daemon=True)
    thread.start()
    try:
        # Whoever is stopped answers no scrape, and its workers report no result within the response timeout.
        expect_alerts(site, {("BatonTimersLate", "")}, beside=("BatonProcessDown", "BatonLeasesRunOut", "BatonTaskTypeFails"))
    finally:
        stop.set()
        thread.join()


def database_goes_down(site):
    site.postgres.stop_at_once()
    try:
        expect_alerts(site, {("BatonDatabaseDown", "baton-gateway"), ("BatonRequestsFail", "")})
    finally:
        site.postgres.start()


def process_dies(site):
    site.executor.kill()
    try:
        # Its task types have no worker any more.
        expect_alerts(site, {("BatonProcessDown", "baton-executor")}, beside=("BatonQueueWithoutWorker",))
    finally:
        site.executor.start()


FAULTS = {
    "no worker, failing, slow and silent workers": workers_go_wrong,
    "an engine without processor time": engine_is_starved,
    "the database is down": database_goes_down,
    "a process is down": process_dies,
}
