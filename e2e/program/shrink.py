"""Smaller programs that may fail as well: each with one step, operation or setting less."""
import copy
import json

from . import generate, oracle

# What a reference to a step that was taken out becomes.
NOTHING = "${workflow.input.none}"
HOLDERS = ("SWITCH", "DECISION", "DO_WHILE", "FORK_JOIN")


def smaller(program):
    """Every program that is one cut smaller and still a program, the largest cut first."""
    found = {}
    for candidate in cuts(program):
        candidate = tidy(candidate)
        if candidate and json.dumps(candidate) not in found and is_program(candidate):
            found[json.dumps(candidate)] = candidate
    return sorted(found.values(), key=lambda one: len(json.dumps(one)))


def cuts(program):
    for number in range(len(program["operations"])):
        candidate = copy.deepcopy(program)
        del candidate["operations"][number]
        yield candidate
    for number, definition in enumerate(program["workflows"]):
        for member in ("outputParameters", "failureWorkflow"):
            if member in definition:
                candidate = copy.deepcopy(program)
                del candidate["workflows"][number][member]
                yield candidate
        for place in range(count(definition["tasks"])):
            for replace in (take_out, put_inside_in_place, take_a_branch_out):
                candidate = copy.deepcopy(program)
                if replace(candidate["workflows"][number]["tasks"], place):
                    yield candidate


def count(tasks):
    return sum(1 for _ in oracle.steps(tasks))


def lists(tasks):
    """Every list of steps, outer ones first."""
    yield tasks
    for task in tasks:
        for part in oracle.parts(task):
            yield from lists(part)


def places(tasks):
    return [(part, position) for part in lists(tasks) for position in range(len(part))]


def take_out(tasks, place):
    """Takes the step out, with the JOIN of a fork."""
    part, position = places(tasks)[place]
    if part[position]["type"] == "JOIN":
        return False
    del part[position:position + (2 if part[position]["type"].startswith("FORK") else 1)]
    return True


def take_a_branch_out(tasks, place):
    """Takes the last branch of a dynamic fork out."""
    part, position = places(tasks)[place]
    inputs = part[position].get("inputParameters", {}) if part[position]["type"] == "FORK_JOIN_DYNAMIC" else {}
    branches = inputs.get("tasks") or inputs.get("forkTaskInputs")
    if not branches:
        return False
    taken = branches.pop()
    inputs.get("inputs", {}).pop(taken.get("taskReferenceName"), None)
    return True


def put_inside_in_place(tasks, place):
    """Puts the first list of steps that a step holds in its place."""
    part, position = places(tasks)[place]
    task = part[position]
    if task["type"] not in HOLDERS:
        return False
    inner = next((one for one in list(lists([task]))[1:] if one), [])
    part[position:position + (2 if task["type"] == "FORK_JOIN" else 1)] = inner
    return bool(inner)


def tidy(program):
    """The program without empty branches, unused children and references to what is gone; `None` when nothing is left."""
    for definition in program["workflows"]:
        drop_empty(definition["tasks"])
        if not definition["tasks"]:
            return None
    used = {program["workflows"][0]["name"]}
    for definition in program["workflows"]:
        used |= {task["subWorkflowParam"]["name"] for task in oracle.steps(definition["tasks"]) if "subWorkflowParam" in task}
    program["workflows"] = [definition for definition in program["workflows"] if definition["name"] in used]
    for definition in program["workflows"]:
        refs = set(oracle.references(definition["tasks"]))
        writes = {name for task in oracle.steps(definition["tasks"]) if task["type"] == "SET_VARIABLE"
                  for name in task["inputParameters"]}
        for member in ("tasks", "outputParameters"):
            if member in definition:
                definition[member] = mended(definition[member], refs, writes)
    return program


def drop_empty(tasks):
    for task in list(tasks):
        for part in list(lists([task]))[1:]:
            drop_empty(part)
        if task["type"] == "FORK_JOIN":
            task["forkTasks"] = [branch for branch in task["forkTasks"] if branch]
        if task["type"] == "FORK_JOIN" and not task["forkTasks"]:
            position = tasks.index(task)
            del tasks[position:position + 2]
        elif (task["type"] == "DO_WHILE" and not task["loopOver"]) or (
                task["type"] in ("SWITCH", "DECISION") and not any([*task["decisionCases"].values(), task["defaultCase"]])):
            tasks.remove(task)


def mended(value, refs, writes):
    if isinstance(value, dict):
        kept = {key: mended(one, refs, writes) for key, one in value.items()}
        if "joinOn" in kept:
            kept["joinOn"] = [ref for ref in kept["joinOn"] if ref in refs]
        return kept
    if isinstance(value, list):
        return [mended(one, refs, writes) for one in value]
    if not isinstance(value, str):
        return value

    def mend(token):
        path = token[1].split(".")
        variable = path[:2] == ["workflow", "variables"] and path[2] in writes
        known = path[0] in refs or path[:2] == ["workflow", "input"] or variable
        return token[0] if known else NOTHING

    return oracle.TOKEN.sub(mend, value)


def is_program(program):
    """Whether the oracle can walk through it, or need not."""
    if program["operations"]:
        return True
    try:
        outcome_of(program)
    except (oracle.Unpredictable, AssertionError, KeyError, IndexError):
        return False
    return True


def outcome_of(program):
    """How it ends, by the oracle."""
    definitions = {one["name"]: one for one in [*program["workflows"], *generate.common_workflows()]}
    return oracle.foretell(definitions, program["workflows"][0], {**program["input"], "stub": oracle.ANY})


def renamed(program, name):
    """The program under another name, so that several of one seed can run at once."""
    old = program["workflows"][0]["name"]
    return json.loads(json.dumps(program).replace(f'"{old}"', f'"{name}"').replace(f'"{old}_', f'"{name}_'))
