"""What happened, held against what was foretold, and against what must hold of every execution.

Both give a list of sentences, empty when nothing is wrong. `Disturbed` says that a fault of the run (a lease that ended) changed
the course of a program in a way that the engine is allowed: then only the invariants count.
"""
from .oracle import ANY, GOOD

ENDED = {"COMPLETED", "FAILED", "TERMINATED", "TIMED_OUT"}
OPEN_TASK = {"SCHEDULED", "IN_PROGRESS"}
OF_FAILURE = "conductor.failure_workflow"
STATUS_OF_CHILD = {"COMPLETED": ("COMPLETED",), "FAILED": ("FAILED", "COMPLETED_WITH_ERRORS"),
                   "TIMED_OUT": ("TIMED_OUT", "COMPLETED_WITH_ERRORS"), "TERMINATED": ("CANCELED", "COMPLETED_WITH_ERRORS")}
# Times are of the engine's clock, in ms; a JOIN and its last branch may be of one moment.
SLACK_MS = 2


class Disturbed(Exception):
    """A lease ended that should not have, so that a task was tried more often than foretold."""


def differences(read, execution, outcome, stormy):
    """How an execution differs from its outcome; `read` reads another one by its id."""
    found = list(against_each(read, execution, outcome, stormy))
    best = min(found, key=len)
    return [f"{execution['workflowName']} {execution['workflowId']}: {fault}" for fault in best]


def against_each(read, execution, outcome, stormy):
    for ending in outcome.endings:
        yield list(against(read, execution, outcome, ending, stormy))


def against(read, execution, outcome, ending, stormy):
    if execution["status"] != ending.status:
        yield f"status: expected {ending.status}, got {execution['status']} ({execution.get('reasonForIncompletion')})"
    observed = {}
    for task in execution.get("tasks", []):
        observed.setdefault(task["referenceTaskName"], []).append(task)
    nodes = {node.ref: node for node in outcome.nodes}
    for ref in observed.keys() - nodes.keys():
        yield f"{ref}: nothing foretold it"
    for ref, node in nodes.items():
        certain = bool(ending.certain & node.bit)
        yield from against_task(read, observed.get(ref, []), node, certain, stormy)
    output = {key: value for key, value in (execution.get("output") or {}).items() if key != OF_FAILURE}
    if not equal(ending.output, output):
        yield f"output: expected {ending.output}, got {output}"
    variables = execution.get("variables") or {}
    if len(outcome.endings) == 1 and ending.status == "COMPLETED" and not equal(outcome.variables, variables):
        yield f"variables: expected {outcome.variables}, got {variables}"


def against_task(read, tasks, node, certain, stormy):
    """One step's attempts."""
    statuses = [task["status"] for task in tasks]
    if node.dropped:
        if certain and tasks:
            yield f"{node.ref}: was to be dropped, is {statuses}"
        return
    if not certain:
        yield from against_uncertain(statuses, node)
        return
    if not tasks:
        yield f"{node.ref}: expected {node.statuses}, is absent"
    elif statuses != node.statuses and not tried_again(statuses, node, stormy):
        yield f"{node.ref}: expected {node.statuses}, got {statuses} ({tasks[-1].get('reasonForIncompletion')})"
    elif statuses[-1] == node.status and not equal(node.output, tasks[-1].get("outputData") or {}):
        yield f"{node.ref}: expected {node.output}, got {tasks[-1].get('outputData')}"
    elif node.child:
        for task in tasks:
            yield from differences(read, read(task["subWorkflowId"]), node.child, stormy)


def tried_again(statuses, node, stormy):
    """Whether these are the foretold attempts with leases that ended in between."""
    planned = node.statuses.count("TIMED_OUT")
    extra = statuses.count("TIMED_OUT") - planned
    if extra > 0 and (planned or stormy):
        if statuses[-1] == node.status and node.status in GOOD:
            return True
        raise Disturbed
    return False


def against_uncertain(statuses, node):
    """A task beside the one that ended the execution: it got somewhere on its way."""
    if not statuses:
        return
    if node.statuses is None and statuses[-1] in GOOD and node.output is ANY and not node.child:
        yield f"{node.ref}: could not end, is {statuses}"
    planned = node.statuses or []
    for number, status in enumerate(statuses[:-1]):
        if number < len(planned) and status not in (planned[number], "TIMED_OUT"):
            yield f"{node.ref}: expected {planned}, got {statuses}"


def equal(expected, got):
    """Whether they are the same where that can be foretold; what is null may be absent."""
    if expected is ANY:
        return True
    if isinstance(expected, dict) and isinstance(got, dict):
        return all(equal(expected.get(key), got.get(key)) for key in expected.keys() | got.keys())
    if isinstance(expected, list) and isinstance(got, list):
        return len(expected) == len(got) and all(map(equal, expected, got))
    if expected in (None, {}) and got in (None, {}):
        return True
    return expected == got and isinstance(expected, bool) == isinstance(got, bool)


def broken(read, execution, operated):
    """The invariants that an ended execution and its children break."""
    where = f"{execution['workflowName']} {execution['workflowId']}"
    for fault in faults_of(execution, operated):
        yield f"{where}: {fault}"
    for task in execution.get("tasks", []):
        child_id = task.get("subWorkflowId")
        if task["taskType"] != "SUB_WORKFLOW" or not child_id:
            continue
        child = read(child_id)
        if child is None:
            yield f"{where}: {task['referenceTaskName']} names a child that is not there"
            continue
        yield from faults_of_child(where, execution, task, child)
        yield from broken(read, child, operated)


def faults_of(execution, operated):
    """What one ended execution breaks."""
    tasks = execution.get("tasks", [])
    if execution["status"] not in ENDED:
        yield f"is {execution['status']}"
        return
    ids = [task["taskId"] for task in tasks]
    if len(ids) != len(set(ids)):
        yield "has a task id twice"
    open_tasks = [task["referenceTaskName"] for task in tasks if task["status"] in OPEN_TASK]
    if open_tasks:
        yield f"has ended {execution['status']}, and these are open: {open_tasks}"
    attempts = [(task["referenceTaskName"], task.get("retryCount", 0)) for task in tasks]
    if len(attempts) != len(set(attempts)):
        yield f"has an attempt twice: {sorted(one for one in set(attempts) if attempts.count(one) > 1)}"
    latest = {task["referenceTaskName"]: task for task in tasks}
    for task in tasks:
        if task["taskType"] == "JOIN" and task["status"] in GOOD:
            yield from faults_of_join(task, latest, operated)
    if execution["status"] == "COMPLETED" and not any(task["taskType"] == "TERMINATE" for task in tasks):
        failed = [ref for ref, task in latest.items() if task["status"] not in (*GOOD, "SKIPPED")]
        if failed:
            yield f"is COMPLETED, and these are not: {failed}"


def faults_of_join(join, latest, operated):
    """A JOIN that went on before one of its branches had ended."""
    iteration = "".join(join["referenceTaskName"].partition("__")[1:])  # of the loop that both are in
    for ref in (join.get("inputData") or {}).get("joinOn") or []:
        task = latest.get(ref) or latest.get(ref + iteration)
        if task is None:
            continue
        if task["status"] in OPEN_TASK:
            yield f"{join['referenceTaskName']} is {join['status']}, and {ref} is {task['status']}"
        elif not operated and task.get("endTime", 0) > join.get("endTime", 0) + SLACK_MS:
            yield f"{join['referenceTaskName']} ended {task['endTime'] - join['endTime']} ms before {ref}"


def faults_of_child(where, execution, task, child):
    """Where a parent and its child disagree."""
    name = f"{where}: {task['referenceTaskName']}'s child {child['workflowId']}"
    if child.get("parentWorkflowId") != execution["workflowId"]:
        yield f"{name} has the parent {child.get('parentWorkflowId')}"
    agreed = STATUS_OF_CHILD.get(child["status"], ())
    newest = not task.get("retried") and task["status"] not in ("CANCELED", "SKIPPED")
    if newest and task["status"] not in agreed and task["status"] != "TIMED_OUT":
        yield f"{name} is {child['status']}, and the task {task['status']}"
