"""Faults planted in records that are as foretold: the judge has to find each of them, and nothing where none was planted."""
import copy

from . import generate, judge, oracle, shrink

SEEDS = range(1, 401)
# The largest of so many is cut down.
SHRUNK = 40
# A fork and its JOIN.
STEPS_LEAST = 2


def check():
    """Every fault is found wherever it can be planted, and each could be planted somewhere."""
    planted = dict.fromkeys(FAULTS, 0)
    for seed in SEEDS:
        program = generate.program(seed)
        assert program == generate.program(seed), f"seed {seed} gives two programs"
        record = recorded(program)
        if record is None:
            continue
        root, outcome, executions = record
        found = faults_of(root, outcome, executions)
        assert not found, f"seed {seed}: {found} in what is as foretold"
        for fault, plant in FAULTS.items():
            damaged = copy.deepcopy(executions)
            if plant(damaged[root], damaged):
                planted[fault] += 1
                assert faults_of(root, outcome, damaged), f"seed {seed}: not found: {fault}"
    unused = [fault for fault, count in planted.items() if not count]
    assert not unused, f"never planted: {unused}"


def check_shrinking():
    """A cut program is a program, and smaller; and one can be cut down to next to nothing."""
    program = max(map(generate.program, SEEDS[:SHRUNK]), key=lambda one: shrink.count(one["workflows"][0]["tasks"]))
    program["operations"] = []
    steps = 0
    while candidates := shrink.smaller(program):
        assert all(len(str(one)) < len(str(program)) for one in candidates), "a cut made it larger"
        program, steps = candidates[len(candidates) // 2], steps + 1
    assert steps and shrink.count(program["workflows"][0]["tasks"]) <= STEPS_LEAST, program


def recorded(program):
    """(root's id, outcome, executions by id) as foretold; `None` where not one end is certain."""
    try:
        outcome = shrink.outcome_of(program)
    except oracle.Unpredictable:
        return None
    executions = {}
    root = render(outcome, None, executions)
    return None if root is None else (root, outcome, executions)


def render(outcome, parent, executions):
    """Records an outcome and its children; the execution's id."""
    if len(outcome.endings) > 1:
        return None
    [ending] = outcome.endings
    mine = f"e{len(executions)}"
    execution = {"workflowId": mine, "workflowName": outcome.name, "parentWorkflowId": parent, "status": ending.status,
                 "tasks": [], "output": plain(ending.output), "variables": plain(outcome.variables)}
    executions[mine] = execution
    for node in outcome.nodes:
        if node.dropped or not ending.certain & node.bit:
            continue
        for attempt, status in enumerate(node.statuses):
            task = {"taskId": f"{mine}-{len(execution['tasks'])}", "referenceTaskName": node.ref, "taskType": kind_of(node),
                    "status": status, "retryCount": attempt, "retried": attempt + 1 < len(node.statuses),
                    "endTime": node.number, "outputData": plain(node.output)}
            if node.child:
                task["subWorkflowId"] = render(node.child, mine, executions)
                if task["subWorkflowId"] is None:
                    return None
            execution["tasks"].append(task)
    return mine


def kind_of(node):
    return "SUB_WORKFLOW" if node.child else "SIMPLE"


def plain(value):
    """The value with something in place of what cannot be foretold."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return {} if value is oracle.ANY else value


def faults_of(root, outcome, executions):
    read = executions.get
    return list(judge.broken(read, read(root), False)) or judge.differences(read, read(root), outcome, False)


def lose_a_task(execution, _):
    return bool(execution["tasks"]) and bool(execution["tasks"].pop())


def double_an_attempt(execution, _):
    for task in execution["tasks"][-1:]:
        execution["tasks"].append({**task, "taskId": "another"})
        return True
    return False


def invent_a_task(execution, _):
    execution["tasks"].append({"taskId": "x", "referenceTaskName": "x", "taskType": "SIMPLE", "status": "COMPLETED"})
    return True


def leave_a_task_open(execution, _):
    return change(execution["tasks"], "status", "SCHEDULED")


def fail_a_task(execution, _):
    return change(execution["tasks"], "status", "CANCELED")


def change(records, member, value):
    for record in records[-1:]:
        before, record[member] = record[member], value
        return before != value
    return False


def lose_a_result(execution, _):
    for task in execution["tasks"]:
        if isinstance(task["outputData"], dict) and isinstance(task["outputData"].get("n"), int):
            task["outputData"]["n"] += 1
            return task["status"] == "COMPLETED"
    return False


def end_otherwise(execution, _):
    execution["status"] = "TIMED_OUT" if execution["status"] == "TERMINATED" else "TERMINATED"
    return True


def not_end(execution, _):
    execution["status"] = "RUNNING"
    return True


def give_another_output(execution, _):
    if not execution["output"]:
        return False
    execution["output"]["more"] = 1
    return True


def lose_a_child(execution, executions):
    children = [task["subWorkflowId"] for task in execution["tasks"] if task["taskType"] == "SUB_WORKFLOW"]
    return bool(children) and bool(executions.pop(children[0]))


def give_a_child_to_another(execution, executions):
    children = [executions[task["subWorkflowId"]] for task in execution["tasks"] if task["taskType"] == "SUB_WORKFLOW"]
    return change(children, "parentWorkflowId", "another")


def disagree_with_a_child(execution, executions):
    for task in execution["tasks"]:
        if task["taskType"] == "SUB_WORKFLOW" and task["status"] == "COMPLETED":
            executions[task["subWorkflowId"]]["status"] = "FAILED"
            return True
    return False


FAULTS = {"a task is lost": lose_a_task, "an attempt is there twice": double_an_attempt, "a task nobody asked for": invent_a_task,
          "an ended execution with an open task": leave_a_task_open, "a task that ended otherwise": fail_a_task,
          "another result than was reported": lose_a_result, "an execution that ended otherwise": end_otherwise,
          "an execution that did not end": not_end, "another output": give_another_output, "a lost child": lose_a_child,
          "a child of another parent": give_a_child_to_another, "a parent and a child that disagree": disagree_with_a_child}
