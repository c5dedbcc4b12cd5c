"""The first run as a newcomer has it: `make run`, what it prints, what it leaves, and that it goes on serving."""
import json
import os
import re
import shutil
import signal

from harness import api, places, processes, waiting

SCRIPT = places.ROOT / "tools" / "run"
READY_SECONDS = 120
FAN_OUT_SECONDS = 60


def runs(_, text):
    """Whether this suite runs these lines of a page: the target of the Makefile that is this script."""
    makefile = (places.ROOT / "Makefile").read_text()
    return text == "make run\n" and f"run: ; @{SCRIPT.relative_to(places.ROOT)}\n" in makefile


def run(setting, results):
    """One case for what is printed and registered, one for each sample."""
    data = places.WORK / "first-run"
    shutil.rmtree(data, ignore_errors=True)
    (places.LOGS / "first-run.log").unlink(missing_ok=True)
    listen = f"127.0.0.1:{processes.free_port()}"
    environment = {"BATON": str(places.baton()), "BATON_LISTEN": listen, "FIRST_RUN_DATA": str(data)}
    script = processes.Process("first-run", [SCRIPT], environment)
    try:
        with results.case("first run: the saga completes and the server goes on serving"):
            waiting.until(lambda: has_told(script), READY_SECONDS, "the first run has told what it did")
            client = api.Client(f"http://{listen}/api")
            check_saga(client, script.log.read_text())
        with results.case("first run: the saga's failure path undoes what was done"):
            check_failure(api.Client(f"http://{listen}/api"))
        with results.case("first run: the fan-out joins a hundred branches"):
            check_fan_out(api.Client(f"http://{listen}/api"))
        with results.case("first run: the approval waits for a person"):
            check_approval(api.Client(f"http://{listen}/api"))
        with results.case("first run: Ctrl-C ends it"):
            os.killpg(script.pid, signal.SIGINT)
            waiting.until(lambda: not script.running(), 20, "it ends")
            assert script.child.returncode == 0, f"exit code {script.child.returncode}"
    finally:
        if script.running():
            os.killpg(script.pid, signal.SIGKILL)


def has_told(script):
    assert script.running(), f"it ended:\n{script.last_words()}"
    return "Ctrl-C" in script.log.read_text()


def check_saga(client, said):
    """The execution that was printed completed, with one charge that failed and one that did not."""
    [execution_id] = set(re.findall(r"/api/workflow/([0-9a-f-]{36})", said))
    execution = client.expect("GET", f"/workflow/{execution_id}?includeTasks=true")
    assert execution["status"] == "COMPLETED", f"the saga is {execution['status']}"
    charges = [task["status"] for task in execution["tasks"] if task["taskDefName"] == "order_charge"]
    assert charges == ["FAILED", "COMPLETED"], f"charges: {charges}"
    names = {definition["name"] for definition in client.expect("GET", "/metadata/workflow")}
    assert {"order_saga", "fan_out", "approval"} <= names, f"registered: {sorted(names)}"
    assert "COMPLETED" in said and execution["workflowName"] in said, "it does not say what happened"


def start(client, name, sample):
    """Starts a sample with the input that lies beside it."""
    text = (places.ROOT / "examples" / f"{sample}.input.json").read_text()
    return client.expect("POST", "/workflow", {"name": name, "input": json.loads(text)})


def check_failure(client):
    execution = ended(client, start(client, "order_saga", "order-saga-failing"))
    assert execution["status"] == "FAILED", f"the saga is {execution['status']}"
    statuses = {task["taskDefName"]: task["status"] for task in execution["tasks"]}
    assert statuses.get("order_ship") in ("FAILED", "FAILED_WITH_TERMINAL_ERROR"), statuses
    waiting.until(lambda: undone(client, execution), FAN_OUT_SECONDS, "charge and reservation are undone")


def undone(client, execution):
    """In the execution itself or in its failure workflow."""
    tasks = list(execution["tasks"])
    failure = (execution.get("output") or {}).get("conductor.failure_workflow")
    if failure:
        tasks += client.expect("GET", f"/workflow/{failure}?includeTasks=true")["tasks"]
    done = {task["taskDefName"] for task in tasks if task["status"] == "COMPLETED"}
    return {"order_refund", "order_release"} <= done


def check_fan_out(client):
    execution = ended(client, start(client, "fan_out", "fan-out"))
    assert execution["status"] == "COMPLETED", f"the fan-out is {execution['status']}"
    parts = [task for task in execution["tasks"] if task["taskDefName"] == "fan_out_part"]
    assert len(parts) == 100, f"{len(parts)} parts"
    squares = sum(number * number for number in range(1, 101))
    assert execution["output"] == {"sumOfSquares": squares}, f"output {execution['output']}"


def check_approval(client):
    execution_id = start(client, "approval", "approval")
    task = waiting.until(lambda: open_wait(client, execution_id), 20, "it waits for a person")
    client.expect("POST", f"/tasks/{execution_id}/{task['referenceTaskName']}/COMPLETED", {"approved": True})
    execution = ended(client, execution_id)
    assert execution["status"] == "COMPLETED", f"the approval is {execution['status']}"
    assert execution["output"]["outcome"] == "approved", f"output {execution['output']}"


def open_wait(client, execution_id):
    tasks = client.expect("GET", f"/workflow/{execution_id}?includeTasks=true")["tasks"]
    return next((task for task in tasks if task["taskType"] in ("HUMAN", "WAIT") and task["status"] == "IN_PROGRESS"), None)


def ended(client, execution_id):
    """The execution, when it has ended."""
    def answer():
        execution = client.expect("GET", f"/workflow/{execution_id}?includeTasks=true")
        return None if execution["status"] in ("RUNNING", "PAUSED") else execution

    return waiting.until(answer, FAN_OUT_SECONDS, f"execution {execution_id} ends")
