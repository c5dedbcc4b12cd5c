"""A load of multi-step workflows from a driver that remembers what it was told, so that a checker can hold it against the end.

Every worker's result carries a token of its own, and the steps pass the tokens on: a result that was lost, or applied
twice, shows in the execution that is read back.
"""
import http.client
import http.server
import json
import threading
import time
import urllib.parse
import uuid

from harness import api, processes

WORKFLOW, CHILD, STEP, CALL = "fault_load", "fault_load_child", "fault_load_step", "fault_load_call"
# Short, so that what a dead process held comes back within a round.
RESPONSE_TIMEOUT_S = 2
GIVE_UP_SECONDS = 60
POLL_MS = 500
WORKERS, STARTERS = 4, 3
# Long enough that an executor has calls in hand when it is killed.
CALL_SECONDS = 0.15
LOST = (OSError, http.client.HTTPException)


def task_definitions():
    common = {"retryCount": 20, "retryLogic": "FIXED", "retryDelaySeconds": 0, "timeoutSeconds": 0,
              "timeoutPolicy": "RETRY", "responseTimeoutSeconds": RESPONSE_TIMEOUT_S}
    return [{"name": STEP, **common}, {"name": CALL, **common}]


def workflow_definitions(stub_port):
    """One step; a fork of a worker's step and an HTTP call; a timer; a child; a last step that sees all of them."""
    def step(reference, **inputs):
        return {"name": STEP, "taskReferenceName": reference, "type": "SIMPLE", "inputParameters": inputs}

    uri = f"http://127.0.0.1:{stub_port}/add?n=${{first.output.n}}"
    call = {"name": CALL, "taskReferenceName": "right", "type": "HTTP",
            "inputParameters": {"http_request": {"uri": uri, "method": "GET"}}}
    tasks = [
        step("first", n="${workflow.input.n}"),
        {"name": "fork", "taskReferenceName": "fork", "type": "FORK_JOIN",
         "forkTasks": [[step("left", n="${first.output.n}", saw="${first.output.token}")], [call]]},
        {"name": "join", "taskReferenceName": "join", "type": "JOIN", "joinOn": ["left", "right"]},
        {"name": "pause", "taskReferenceName": "pause", "type": "WAIT", "inputParameters": {"duration": "1 seconds"}},
        {"name": "child", "taskReferenceName": "child", "type": "SUB_WORKFLOW",
         "subWorkflowParam": {"name": CHILD, "version": 1}, "inputParameters": {"n": "${left.output.n}"}},
        step("last", n="${child.output.n}", other="${right.output.response.body.n}", saw="${left.output.token}",
             sawCall="${right.output.response.body.token}", sawChild="${child.output.token}"),
    ]
    outputs = {"n": "${last.output.n}", "token": "${last.output.token}"}
    child = {"n": "${only.output.n}", "token": "${only.output.token}"}
    common = {"version": 1, "schemaVersion": 2, "timeoutSeconds": 0, "ownerEmail": "e2e@example.com"}
    return [
        {"name": CHILD, "tasks": [step("only", n="${workflow.input.n}")], "outputParameters": child, **common},
        {"name": WORKFLOW, "tasks": tasks, "outputParameters": outputs, **common},
    ]


def expected_output(number):
    """first adds 1; left and right add 1 each; the child adds 1 to left's; last adds both and 1."""
    return (number + 3) + (number + 2) + 1


class Stub(http.server.ThreadingHTTPServer):
    """The host that the HTTP task calls; answers each call with a token of its own and remembers it."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", processes.free_port()), StubCall)
        self.tokens = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """A caller that was killed is no fault of ours."""


class StubCall(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        [number] = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["n"]
        token = str(uuid.uuid4())
        self.server.tokens.add(token)
        threading.Event().wait(CALL_SECONDS)
        body = json.dumps({"n": int(number) + 1, "token": token}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Cluster:
    """Several gateways as one thread's client sees them: whoever answers is asked, and asked again until someone does."""

    def __init__(self, urls, first, ledger=None):
        self.clients = [api.Client(url, timeout_s=15) for url in urls]
        self.turn, self.ledger = first, ledger

    def call(self, method, path, body=None):
        """The first answer that is no fault of a dying process. Every call of the load may be sent twice."""
        deadline, failures = time.monotonic() + GIVE_UP_SECONDS, []
        while True:
            client = self.clients[self.turn % len(self.clients)]
            try:
                status, answer = client.call(method, path, body)
                if status < 500:
                    if failures and self.ledger:
                        self.ledger.note_failures(f"{method} {path}", failures)
                    return status, answer
            except LOST as error:
                status, answer = 0, error
            if time.monotonic() > deadline:
                raise AssertionError(f"{method} {path}: nobody answers: {status} {answer}")
            failures.append(f"{client.address.netloc}: {status} {answer!r}")
            self.turn += 1
            time.sleep(0.05)


class Ledger:
    """What the driver was told and what it reported."""

    def __init__(self):
        self.lock = threading.Lock()
        self.started = {}  # execution id -> its number
        self.reported = {}  # task id -> tokens
        self.refused = []
        self.repeated = []  # (call, its failures before it succeeded)

    def note_start(self, execution, number):
        with self.lock:
            self.started[execution] = number

    def note_report(self, task, token):
        with self.lock:
            self.reported.setdefault(task, set()).add(token)

    def note_failures(self, call, failures):
        with self.lock:
            self.repeated.append((call, failures))

    def note_refusal(self, what):
        with self.lock:
            self.refused.append(what)


class Driver:
    """Workers that run all the time, and starts when asked for."""

    def __init__(self, urls):
        self.urls, self.ledger, self.stopping = urls, Ledger(), threading.Event()
        self.numbers, self.seed = 0, uuid.uuid4().hex[:8]
        self.threads = [threading.Thread(target=self.work, args=(number,), daemon=True) for number in range(WORKERS)]
        for thread in self.threads:
            thread.start()

    def work(self, number):
        """Polls, adds one, reports; once again on another gateway when one dies."""
        cluster = Cluster(self.urls, number, self.ledger)
        while not self.stopping.is_set():
            path = f"/tasks/poll/batch/{STEP}?workerid=load-{number}&count=8&timeout={POLL_MS}"
            try:
                status, tasks = cluster.call("GET", path)
                if status != 200:
                    self.ledger.note_refusal(f"poll: {status} {tasks}")
                    continue
                for task in tasks:
                    self.report(cluster, task)
            except AssertionError as error:
                self.ledger.note_refusal(str(error))

    def report(self, cluster, task):
        inputs, token = task["inputData"], str(uuid.uuid4())
        output = {"n": inputs["n"] + inputs.get("other", 0) + 1, "token": token}
        self.ledger.note_report(task["taskId"], token)
        status, answer = cluster.call("POST", "/tasks", {
            "workflowInstanceId": task["workflowInstanceId"], "taskId": task["taskId"], "workerId": "load",
            "status": "COMPLETED", "outputData": output})
        if status not in (200, 204, 409):  # 409: it came too late, another attempt has the task
            self.ledger.note_refusal(f"report: {status} {answer}")

    def begin_starts(self, count, seconds):
        """Starts `count` executions, spread over `seconds`; the threads that do it."""
        numbers = range(self.numbers, self.numbers + count)
        self.numbers += count
        shares = [numbers[first::STARTERS] for first in range(STARTERS)]
        threads = [threading.Thread(target=self.start_all, args=(index, share, seconds), daemon=True)
                   for index, share in enumerate(shares)]
        for thread in threads:
            thread.start()
        return threads

    def start_all(self, index, numbers, seconds):
        cluster = Cluster(self.urls, index, self.ledger)
        for number in numbers:
            request = {"name": WORKFLOW, "version": 1, "input": {"n": number}, "correlationId": f"{self.seed}-{number}",
                       "idempotencyKey": f"{self.seed}-{number}", "idempotencyStrategy": "RETURN_EXISTING"}
            try:
                status, answer = cluster.call("POST", "/workflow", request)
                if status == 200:
                    self.ledger.note_start(answer, number)
                else:
                    self.ledger.note_refusal(f"start: {status} {answer}")
            except AssertionError as error:
                self.ledger.note_refusal(str(error))
            self.stopping.wait(seconds / len(numbers))

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(GIVE_UP_SECONDS)
