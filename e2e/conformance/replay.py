#!/usr/bin/env python3
"""Replay scenarios against a Conductor-compatible server and compare what happens with what Conductor OSS did.

    replay.py [--url http://127.0.0.1:8080/api] [--jobs 4] [--show] PATH...     compare, exit 1 on any difference
    replay.py --corpus FOLDER                                                    the same for a folder of bare definitions
    replay.py --record ...                                                       write `expected` (only for a reference server)

A PATH is a scenario file or a folder of them. Standard library only. A scenario:

    {"about": "one sentence",
     "taskDefs": [...], "workflowDefs": [...],          registered first; `register` expects a refusal instead
     "start": {"name": ..., "version": ..., "input": ...},   the body of POST /workflow
     "worker": {"<ref or task name>": [{"status": "FAILED", "output": {...}, "reason": "..."}, ...]},
                                                         one answer an attempt, the last repeats; without one: COMPLETED with an echo
     "steps": [{"await": {"workflow": "FAILED"}}, {"call": "POST", "path": "/workflow/{id}/retry"}, ...],
     "releaseWaits": true,                               complete WAIT and HUMAN at once, with {"released": true}
     "ignore": ["tasks.*.outputData.x"],                 fields that differ from run to run
     "expected": {...}}                                  what the reference server answered

The driver answers worker tasks by POST /tasks as soon as they are SCHEDULED, as a worker that had polled them would;
WAIT and HUMAN tasks only by a step `{"complete": "<ref>", "status": "COMPLETED", "output": {...}}`.
In `path` and `body`, {id} is the execution's id, {task:<ref>} the id of the newest task of that reference and {child:<ref>}
the id of that task's sub-workflow. Further forms of the steps: `{"await": {"in": "<ref>", ...}}` looks at that sub-workflow;
`{"call": ..., "show": ["status", "output.x"]}` keeps those fields of the answer (true keeps all of it);
`{"observe": "name", "of": ["output", "conductor.failure_workflow"]}` or `"of": ["tasks", "<ref>", "outputData", "workflowId"]`
reads the execution whose id stands there, once it has ended. `"removed": true` says that a step deletes the execution.
A worker's answer SILENT leaves that attempt alone; `"quirk"` tells why a server may differ on purpose.
Ids in answers are replaced by names and times are dropped before comparing. A text that the server words itself (a reason,
the message of an error answer, what a script engine or an HTTP client said) need only be there; a reason that a worker or a step gave must come back word for word.
"""
import argparse
import concurrent.futures
import http.client
import http.server
import json
import pathlib
import re
import sys
import threading
import time
import urllib.parse

# Task types that the server itself completes, and those that wait for someone outside.
SERVER_TYPES = {
    "SWITCH", "DECISION", "FORK", "FORK_JOIN", "FORK_JOIN_DYNAMIC", "JOIN", "EXCLUSIVE_JOIN", "DO_WHILE", "SUB_WORKFLOW",
    "START_WORKFLOW", "SET_VARIABLE", "INLINE", "LAMBDA", "JSON_JQ_TRANSFORM", "TERMINATE", "NOOP", "HTTP", "EVENT",
    "KAFKA_PUBLISH", "PULL_WORKFLOW_MESSAGES", "WAIT_FOR_WEBHOOK", "HTTP_POLL", "DYNAMIC",
}
WAITING_TYPES = {"WAIT", "HUMAN"}
ENDED = {"COMPLETED", "FAILED", "TERMINATED", "TIMED_OUT"}
OPEN_TASK = {"SCHEDULED", "IN_PROGRESS"}
TASK_FIELDS = ("status", "iteration", "retryCount", "retried", "loopOverTask", "inputData", "outputData", "reasonForIncompletion")
WORKFLOW_FIELDS = ("status", "reasonForIncompletion", "output", "variables", "input", "correlationId", "failedReferenceTaskNames", "priority")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
STUB_PORT = 18999


class Server:
    """One thread's connection to the server under test."""

    def __init__(self, url):
        self.base = urllib.parse.urlsplit(url)
        self.connection = None

    def call(self, method, path, body=None, text=False):
        """Status and parsed body (JSON where it parses, else text)."""
        data = None if body is None else (body if text else json.dumps(body)).encode()
        headers = {"Content-Type": "text/plain" if text else "application/json", "Accept": "application/json, text/plain, */*"}
        for attempt in (1, 2):
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection(self.base.hostname, self.base.port, timeout=60)
                self.connection.request(method, self.base.path.rstrip("/") + path, data, headers)
                response = self.connection.getresponse()
                raw = response.read().decode()
                break
            except (OSError, http.client.HTTPException):
                self.connection = None
                if attempt == 2:
                    raise
        try:
            return response.status, json.loads(raw)
        except ValueError:
            return response.status, raw

    def expect(self, method, path, body=None):
        status, answer = self.call(method, path, body)
        if not 200 <= status < 300:
            raise ScenarioFault(f"{method} {path}: {status} {str(answer)[:300]}")
        return answer


class ScenarioFault(Exception):
    """The server refused something that the scenario needs."""


def newest(execution, reference):
    tasks = [task for task in execution.get("tasks", []) if task["referenceTaskName"] == reference]
    return tasks[-1] if tasks else None


class Run:
    """One scenario on one server."""

    def __init__(self, scenario, url, limit_s):
        self.scenario, self.server = scenario, Server(url)
        self.deadline = time.monotonic() + limit_s
        self.answers, self.attempts, self.observed = {}, {}, []

    def go(self):
        refused = self.register()
        if refused is not None:
            return refused
        body = dict(self.scenario["start"])
        status, answer = self.server.call("POST", "/workflow", body)
        if not 200 <= status < 300:
            return {"start": {"status": status}}
        self.id = answer if isinstance(answer, str) else str(answer)
        for step in self.scenario.get("steps", []):
            self.step(step)
        if self.scenario.get("removed"):
            return {"observed": self.observed}
        self.until(lambda execution: execution["status"] in ENDED)
        time.sleep(self.scenario.get("settle", 0.3))
        result = self.read(self.id, {})
        if self.observed:
            result["observed"] = self.observed
        return result

    def register(self):
        definitions = self.scenario.get("taskDefs", [])
        if definitions:
            self.server.expect("POST", "/metadata/taskdefs", definitions)
        for definition in self.scenario.get("workflowDefs", []):
            status, answer = self.server.call("PUT", "/metadata/workflow", [definition])
            if not 200 <= status < 300:
                return {"register": {"status": status}}
        return None

    def fetch(self, workflow_id=None):
        return self.server.expect("GET", f"/workflow/{workflow_id or self.id}?includeTasks=true")

    def step(self, step):
        if "await" in step:
            self.until(lambda execution: self.reached(execution, step["await"]))
        elif "sleep" in step:
            end = time.monotonic() + step["sleep"]
            while time.monotonic() < end:
                self.drive(self.fetch())
                time.sleep(0.05)
        elif "complete" in step:
            self.until(lambda execution: self.is_open(execution, step["complete"]))
            task = newest(self.fetch(), step["complete"])
            self.report(task, {"status": step.get("status", "COMPLETED"), "output": step.get("output", {}), "reason": step.get("reason")})
        elif "call" in step:
            self.forget()
            path, body = self.fill(step["path"]), self.fill(step.get("body"))
            status, answer = self.server.call(step["call"], path, body, text=step.get("text", False))
            seen = {"call": f"{step['call']} {step['path']}", "status": status}
            if step.get("show"):
                seen["answer"] = tidy(picked(answer, step["show"]), {self.id: "<execution 0>"})
            self.observed.append(seen)
        elif "observe" in step:
            self.observed.append({"observe": step["observe"], "execution": self.read(self.other(step["of"]) if "of" in step else self.id, {})})
        else:
            raise ScenarioFault(f"unknown step {step}")

    def forget(self):
        """A task that has ended before a call, and that the call opens again under its old id, is to be answered anew."""
        status, execution = self.server.call("GET", f"/workflow/{self.id}")
        for task in execution.get("tasks", []) if status == 200 else []:
            if task["status"] not in OPEN_TASK:
                self.answers.pop(task["taskId"], None)

    def other(self, path):
        """The id that stands at `path` in this execution, when the execution that it names has ended."""
        place = self.fetch()
        if path[0] == "tasks":
            place, path = newest(place, path[1]) or {}, path[2:]
        for key in path:
            place = place.get(key) or {}
        if not isinstance(place, str):
            raise ScenarioFault(f"no execution is named at {path}")
        while self.fetch(place)["status"] not in ENDED and time.monotonic() < self.deadline:
            time.sleep(0.05)
        return place

    def fill(self, value):
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if not isinstance(value, str):
            return value
        value = value.replace("{id}", self.id)
        for reference in re.findall(r"\{task:([^}]+)\}", value):
            task = newest(self.fetch(), reference)
            value = value.replace("{task:%s}" % reference, task["taskId"] if task else "none")
        for reference in re.findall(r"\{child:([^}]+)\}", value):
            value = value.replace("{child:%s}" % reference, self.child(self.fetch(), reference) or "none")
        return value

    @staticmethod
    def child(execution, reference):
        return (newest(execution, reference) or {}).get("subWorkflowId")

    @staticmethod
    def is_open(execution, reference):
        task = newest(execution, reference)
        return task is not None and task["status"] in OPEN_TASK

    def reached(self, execution, wanted):
        if "in" in wanted:
            child = self.child(execution, wanted["in"])
            if not child:
                return False
            execution = self.fetch(child)
        if "workflow" in wanted and execution["status"] != wanted["workflow"]:
            return False
        if "task" in wanted:
            task = newest(execution, wanted["task"])
            return task is not None and task["status"] == wanted.get("status", "COMPLETED")
        return True

    def until(self, condition):
        pause = 0.02
        while True:
            execution = self.fetch()
            if condition(execution):
                return
            if time.monotonic() > self.deadline:
                return
            if not self.drive(execution):
                time.sleep(pause)
                pause = min(pause * 1.5, 0.3)
            else:
                pause = 0.02

    def drive(self, execution):
        """Answers every open worker task, children's too; true when it did something."""
        moved = False
        for task in list(execution.get("tasks", [])):
            child = task.get("subWorkflowId")
            if task["taskType"] == "SUB_WORKFLOW" and child and task["status"] in OPEN_TASK:
                moved |= self.drive(self.fetch(child))
            if task["status"] not in OPEN_TASK or task["taskType"] in SERVER_TYPES or task["taskId"] in self.answers:
                continue
            if task["taskType"] in WAITING_TYPES:
                reply = {"status": "COMPLETED", "output": {"released": True}} if self.scenario.get("releaseWaits") else None
            else:
                reply = self.reply(task)
            if reply is None:
                continue
            self.answers[task["taskId"]] = True
            if reply["status"] == "SILENT":
                continue
            self.report(task, reply)
            moved = True
        return moved

    def reply(self, task):
        reference = task["referenceTaskName"]
        base = reference.split("__")[0]
        for key in (reference, base, task["taskType"]):
            script = self.scenario.get("worker", {}).get(key)
            if script is not None:
                attempt = self.attempts.get(key, 0)
                self.attempts[key] = attempt + 1
                return script[min(attempt, len(script) - 1)]
        return {"status": "COMPLETED", "output": {"echo": task.get("inputData") or {}, "by": base}}

    def report(self, task, reply):
        result = {"workflowInstanceId": task["workflowInstanceId"], "taskId": task["taskId"], "workerId": "replay",
                  "status": reply["status"], "outputData": reply.get("output", {})}
        for source, target in (("reason", "reasonForIncompletion"), ("callbackAfterSeconds", "callbackAfterSeconds")):
            if reply.get(source) is not None:
                result[target] = reply[source]
        if reply["status"] == "IN_PROGRESS":
            self.answers.pop(task["taskId"], None)
        self.server.call("POST", "/tasks", result)

    def read(self, workflow_id, names):
        """The execution in comparable form; children nested under their task."""
        execution = self.fetch(workflow_id)
        names.setdefault(workflow_id, f"<execution {len([n for n in names.values() if n.startswith('<execution')])}>")
        seen = {}
        tasks = []
        for task in sorted(execution.get("tasks", []), key=lambda task: task.get("seq", 0)):
            count = seen[task["referenceTaskName"]] = seen.get(task["referenceTaskName"], 0) + 1
            names[task["taskId"]] = f"<task {task['referenceTaskName']} {count}>"
            entry = {"ref": task["referenceTaskName"], "attempt": count, "type": task["taskType"]}
            entry.update({field: task[field] for field in TASK_FIELDS if task.get(field) not in (None, {}, "", 0, False)})
            child = task.get("subWorkflowId")
            if child:
                names.setdefault(child, f"<child of {task['referenceTaskName']} {count}>")
                if task["taskType"] == "SUB_WORKFLOW":
                    entry["child"] = self.read(child, names)
            tasks.append(entry)
        result = {field: execution[field] for field in WORKFLOW_FIELDS if execution.get(field) not in (None, {}, "", [], 0)}
        result["tasks"] = tasks
        return tidy(result, names)


def picked(answer, show):
    """The fields of an answer that a step shows, by dotted path; all of it for true."""
    if show is True:
        return answer
    kept = {}
    for path in show:
        place = answer
        for key in path.split("."):
            place = place.get(key) if isinstance(place, dict) else place[int(key)] if isinstance(place, list) and int(key) < len(place) else None
        kept[path] = place
    return kept


def tidy(value, names):
    """Ids become names; fields that hold times are dropped; tasks sort by reference and attempt, with order noted apart."""
    if isinstance(value, dict):
        return {key: tidy(item, names) for key, item in value.items() if key not in ("startTime", "endTime", "updateTime", "createTime", "workerId", "startDelayInSeconds")}
    if isinstance(value, list):
        return [tidy(item, names) for item in value]
    if isinstance(value, str):
        return UUID.sub(lambda match: names.get(match.group(0), "<id>"), value)
    return value


def flatten(value, path=""):
    """(path, leaf) pairs; tasks are keyed by reference and attempt, so that parallel branches compare in any order."""
    if isinstance(value, dict):
        if not value:
            yield path, {}
        for key, item in value.items():
            yield from flatten(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        if not value:
            yield path, []
        for index, item in enumerate(value):
            yield from flatten(item, f"{path}.{place(item, index)}")
    else:
        yield path, value


GONE = object()


def pruned(value, patterns, path=""):
    """Without the fields that `ignore` names, so that a recording holds only what is compared; GONE when nothing is left."""
    if isinstance(value, dict) and value:
        kept = {key: pruned(item, patterns, f"{path}.{key}" if path else key) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not GONE} or GONE
    if isinstance(value, list) and value:
        names = [place(item, index) for index, item in enumerate(value)]
        kept = [pruned(item, patterns, f"{path}.{name}") for name, item in zip(names, value)]
        return [old if new is GONE else new for old, new in zip(value, kept)] if any(item is not GONE for item in kept) else GONE
    return GONE if ignored(path, patterns) else value


def place(item, index):
    """A list element's name in a path: reference and attempt for a task, else its number."""
    return f"{item['ref']}#{item['attempt']}" if isinstance(item, dict) and "ref" in item and "attempt" in item else str(index)


def ignored(path, patterns):
    return any(re.fullmatch(pattern.replace(".", r"\.").replace("*", ".*"), path) for pattern in patterns)


def same(left, right):
    """Equal, a whole double and the integer alike."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


def own_words(path, text):
    """Whether a server words this text itself: a reason, an error answer's message, what a script engine or HTTP client said."""
    if not isinstance(text, str):
        return False
    answer = path.startswith("observed.") and ".answer." in path and path.endswith((".message", ".path"))
    return answer or path.endswith("reasonForIncompletion") or re.match(r"Error evaluating the script|Cannot iterate|java\.", text) is not None


def differences(scenario, actual):
    """One line for each place where the server did not do what the reference did."""
    old, new = dict(flatten(scenario.get("expected", {}))), dict(flatten(actual))
    given = {leaf for _, leaf in flatten({key: scenario.get(key) for key in ("worker", "steps", "workflowDefs")}) if isinstance(leaf, str)}
    patterns = scenario.get("ignore", [])
    for path in sorted(old.keys() | new.keys()):
        if ignored(path, patterns):
            continue
        if path not in new:
            yield f"{path}: expected {json.dumps(old[path])}, is absent"
        elif path not in old:
            yield f"{path}: unexpected {json.dumps(new[path])}"
        elif own_words(path, old[path]) and old[path] not in given and isinstance(new[path], str) and new[path]:
            continue
        elif not same(old[path], new[path]):
            yield f"{path}: expected {json.dumps(old[path])}, got {json.dumps(new[path])}"


class Stub(http.server.BaseHTTPRequestHandler):
    """The outside host that HTTP tasks of the scenarios call: echoes the request, or answers /status/<code>, /slow/<ms>, /text, /bytes/<n>,
    /array, /raw/<percent-encoded JSON text>, /redirect, /flaky/<key>/<n>/<code> (that code for the first n calls)."""

    protocol_version = "HTTP/1.1"
    calls = {}

    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        while self.headers.get("transfer-encoding") == "chunked":
            size = int(self.rfile.readline(), 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                break
        body = body.decode(errors="replace")
        parts = self.path.split("?")[0].strip("/").split("/")
        status, kind = 200, "application/json"
        if parts[0] == "slow":
            time.sleep(int(parts[1]) / 1000)
        if parts[0] == "status":
            status = int(parts[1])
        reply = json.dumps({"method": self.command, "path": self.path, "body": body, "type": self.headers.get("content-type"), "accept": self.headers.get("accept"), "custom": self.headers.get("x-custom")})
        if parts[0] == "text":
            kind, reply = "text/plain", "plain words"
        if parts[0] == "bytes":
            kind, reply = "text/plain", "x" * int(parts[1])
        if parts[0] == "array":
            reply = "[1, 2.5, \"three\", null, {\"four\": 4}]"
        if parts[0] == "raw":
            reply = urllib.parse.unquote(urllib.parse.unquote(parts[1]))
        if parts[0] == "flaky":
            calls = self.calls[parts[1]] = self.calls.get(parts[1], 0) + 1
            status = int(parts[3]) if calls <= int(parts[2]) else 200
        if parts[0] == "redirect":
            status = 302
        data = b"" if status == 204 else reply.encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/array")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Stub", "yes")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = answer

    def log_message(self, *_):
        pass


def start_stub():
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", STUB_PORT), Stub)
    except OSError:
        return
    server.handle_error = lambda *_: None  # a caller that hung up, as the probes of timeouts do
    threading.Thread(target=server.serve_forever, daemon=True).start()


def files(paths):
    for path in map(pathlib.Path, paths):
        yield from sorted(path.glob("**/*.json")) if path.is_dir() else [path]


def scenarios(options):
    """(path, scenario) pairs: scenario files, and those made from a corpus's definitions, task definitions and inputs."""
    for path in files(options.paths):
        yield path, json.loads(path.read_text())
    if not options.corpus:
        return
    root = pathlib.Path(options.corpus)
    inputs = json.loads((root / "inputs.json").read_text())
    server = Server(options.url)
    server.expect("POST", "/metadata/taskdefs", json.loads((root / "task-defs.json").read_text()))
    for path in sorted((root / "definitions").glob("*.json")):  # all before any starts: they call each other
        server.call("PUT", "/metadata/workflow", [json.loads(path.read_text())])
    for path in sorted((root / ("definitions" if options.record else "expected")).glob("*.json")):
        definition = json.loads((root / "definitions" / path.name).read_text())
        expected = root / "expected" / path.name
        scenario = {"workflowDefs": [definition], "releaseWaits": True,
                    "start": {"name": definition["name"], "version": definition.get("version", 1), "input": inputs.get(path.stem, {})}}
        if expected.exists():
            scenario.update(json.loads(expected.read_text()))
        yield expected, scenario


def save(options, path, scenario, actual):
    scenario["expected"] = pruned(actual, scenario.get("ignore", []))
    if options.corpus:
        scenario = {key: scenario[key] for key in ("ignore", "expected") if key in scenario}
        path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(scenario, indent=1, ensure_ascii=False) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--corpus", help="a folder with definitions/, task-defs.json, inputs.json, expected/")
    parser.add_argument("--url", default="http://127.0.0.1:8080/api")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--limit", type=float, default=60, help="seconds for one scenario")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--show", action="store_true", help="print every difference, not the first three")
    options = parser.parse_args()
    start_stub()

    def one(item):
        path, scenario = item
        try:
            actual = Run(scenario, options.url, scenario.get("limit", options.limit)).go()
        except ScenarioFault as fault:
            actual = {"fault": str(fault)}
        return path, scenario, actual

    passed, failed = 0, 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for path, scenario, actual in pool.map(one, list(scenarios(options))):
            if options.record:
                if "expected" in scenario:
                    unstable = [line.split(":")[0] for line in differences(scenario, actual)]
                    if unstable:
                        print(f"{path.name}: differs from the last recording: {unstable[:5]}")
                save(options, path, scenario, actual)
                passed += 1
                continue
            found = list(differences(scenario, actual))
            passed, failed = passed + (not found), failed + bool(found)
            if found:
                print(f"{path.stem}: {len(found)} differences")
                for line in found if options.show else found[:3]:
                    print(f"    {line[:400]}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
