"""How a program ends, foretold from its definitions alone by the plain reading of what each step does.

It knows nothing of the engine: no queue, no journal, no decisions. It walks through the steps once, branch by branch, and
notes of each task what had surely ended before it (a set of numbers, as the bits of an integer). Where an execution ends
early, by a failure or a TERMINATE, what had surely happened before is certain, and what ran beside it is not.
"""
import dataclasses
import re

from . import scripts, workers

TOKEN = re.compile(r"\$\{([^}]*)\}")
ENDS = {"COMPLETED": "COMPLETED", "FAILED": "FAILED", "FAILED_WITH_TERMINAL_ERROR": "FAILED", "TIMED_OUT": "TIMED_OUT",
        "CANCELED": "TERMINATED"}
OF_CHILD = {"COMPLETED": "COMPLETED", "FAILED": "FAILED", "TIMED_OUT": "TIMED_OUT", "TERMINATED": "CANCELED"}
NEVER_RETRIED = ("FAILED_WITH_TERMINAL_ERROR", "CANCELED")
GOOD = ("COMPLETED", "COMPLETED_WITH_ERRORS")


class Unpredictable(Exception):
    """The end depends on the timing."""


class Any:
    """A value that nobody can foretell; equal to everything."""

    def __repr__(self):
        return "ANY"


ANY = Any()


@dataclasses.dataclass
class Node:
    """One task, with its attempts."""

    ref: str
    base: str
    number: int
    before: int
    statuses: list = None
    output: object = ANY
    child: object = None
    permissive: bool = False
    loops: int = 0  # how many are around it
    branch: bool = False  # of a dynamic fork: no definition has it
    dropped: bool = False  # by keepLastN

    @property
    def bit(self):
        return 1 << self.number

    @property
    def status(self):
        return self.statuses[-1] if self.statuses else None


@dataclasses.dataclass
class Ending:
    """One way in which an execution may end: its status, what is certain then, its output."""

    status: str
    certain: int
    output: object
    culprit: str = ""


@dataclasses.dataclass
class Outcome:
    """All ways in which an execution may end, and the tasks that it may have."""

    nodes: list
    endings: list
    variables: object = ANY
    name: str = ""


def foretell(workflows, root, inputs, levels=0):
    """The outcome of a definition among `workflows` (name -> definition). `Unpredictable` where the timing decides."""
    return Walk(workflows, root, inputs, levels).outcome()


class Walk:
    """One walk through one definition."""

    def __init__(self, workflows, definition, inputs, levels):
        self.workflows, self.definition, self.inputs, self.levels = workflows, definition, inputs, levels
        self.nodes, self.latest, self.variables, self.writers = [], {}, {}, {}
        self.fatal = []  # (status, node, output)
        self.loose = []  # (mask, alive) of branches that no JOIN waits for
        self.permissive_failure = False

    def outcome(self):
        mask, alive = self.sequence(self.definition["tasks"], 0, ())
        for more, lives in self.loose:
            mask, alive = mask | more, alive and lives
        if self.fatal:
            endings = [Ending(status, node.before | node.bit, self.output_at(node, output), node.ref)
                       for status, node, output in self.fatal]
            return Outcome(self.nodes, endings, name=self.definition["name"])
        if not alive:
            raise AssertionError(f"{self.definition['name']}: would never end")
        status = "FAILED" if self.permissive_failure else "COMPLETED"
        ending = Ending(status, (1 << len(self.nodes)) - 1, self.output_at(None, None))
        return Outcome(self.nodes, [ending], self.variables, self.definition["name"])

    def output_at(self, fatal, own):
        """The execution's output, where it ended with this node (None: with all of them)."""
        if own is not None:
            return own
        parameters = self.definition.get("outputParameters")
        if not parameters:
            return self.default_output(fatal)
        certain = None if fatal is None else fatal.before | fatal.bit
        return self.resolve(parameters, certain)

    def default_output(self, fatal):
        """That of the last task, where only one task can be the last."""
        last = self.nodes[-1] if self.nodes and fatal is None else None
        others = (1 << len(self.nodes)) - 1
        if last and (last.before | last.bit) == others and not last.permissive:
            return {} if last.output is None else last.output
        return ANY

    # The flow.

    def sequence(self, tasks, mask, path):
        """Runs the steps; (what has ended then, whether the flow goes on)."""
        position = 0
        while position < len(tasks):
            task = tasks[position]
            if task["type"] in ("FORK_JOIN", "FORK_JOIN_DYNAMIC"):
                mask, alive = self.fork(task, tasks[position + 1], mask, path)
                position += 2
            else:
                mask, alive = getattr(self, "do_" + task["type"].lower())(task, mask, path)
                position += 1
            if not alive:
                return mask, False
        return mask, True

    def node(self, task, mask, path, **members):
        base = task["taskReferenceName"]
        node = Node("__".join((base, *map(str, path))), base, len(self.nodes), mask, loops=len(path), **members)
        self.nodes.append(node)
        self.latest.setdefault(base, []).append(node)
        return node

    def end(self, task, node, statuses, output):
        """Notes how a task ended, by its attempts; (what has ended then, whether the flow goes on)."""
        statuses, node.output = list(statuses), output
        failed = statuses[-1] not in GOOD
        if failed and task.get("optional"):
            statuses[-1] = "COMPLETED_WITH_ERRORS"
        node.statuses = statuses
        if failed and not task.get("optional"):
            if not task.get("permissive"):
                self.fatal.append((ENDS[statuses[-1]], node, None))
                return node.before, False
            node.permissive, self.permissive_failure = True, True
        return node.before | node.bit, True

    def leaf(self, task, mask, path, output, statuses=("COMPLETED",)):
        return self.end(task, self.node(task, mask, path), statuses, output)

    # Tasks of workers, people and the engine.

    def do_simple(self, task, mask, path):
        return self.worker(task, task["name"], self.resolve(task.get("inputParameters", {})), mask, path)

    def do_dynamic(self, task, mask, path):
        inputs = self.resolve(task["inputParameters"])
        return self.worker(task, inputs["which"], inputs, mask, path)

    def worker(self, task, name, inputs, mask, path, branch=False):
        allowed = task.get("retryCount", workers.RETRIES[name])
        statuses, output = [], None
        while not statuses or (statuses[-1] not in ("COMPLETED", *NEVER_RETRIED) and len(statuses) <= allowed):
            status, output, _ = workers.answer(inputs, len(statuses), polls=2)
            statuses.append(status or "TIMED_OUT")
        if statuses[-1] == "COMPLETED" and inputs.get("n") is ANY:
            output = {**output, "n": ANY}
        return self.end(task, self.node(task, mask, path, branch=branch), statuses, output)

    def do_wait(self, task, mask, path):
        inputs = task.get("inputParameters", {})
        if inputs.get("duration") == "1 hour":
            self.node(task, mask, path)
            return mask, False
        return self.leaf(task, mask, path, {} if inputs else dict(workers.PERSON_SAYS))

    def do_human(self, task, mask, path):
        return self.leaf(task, mask, path, dict(workers.PERSON_SAYS))

    def do_inline(self, task, mask, path):
        inputs = self.resolve(task["inputParameters"])
        if inputs["evaluatorType"] == "value-param":
            return self.leaf(task, mask, path, {"result": inputs.get(inputs["expression"])})
        return self.script(task, mask, path, inputs, lambda: {"result": scripts.javascript(inputs["expression"], inputs)},
                           "FAILED_WITH_TERMINAL_ERROR")

    def do_lambda(self, task, mask, path):
        inputs = self.resolve(task["inputParameters"])
        body = scripts.LAMBDA[inputs["scriptExpression"]]
        return self.script(task, mask, path, inputs, lambda: {"result": body(inputs)}, "FAILED")

    def do_json_jq_transform(self, task, mask, path):
        inputs = self.resolve(task["inputParameters"])

        def run():
            values = scripts.jq(inputs["queryExpression"], inputs)
            return {"result": values[0], "resultList": values}

        return self.script(task, mask, path, inputs, run, "FAILED")

    def script(self, task, mask, path, inputs, run, failure):
        try:
            output = run()
        except scripts.Fails:
            return self.leaf(task, mask, path, ANY, [failure])
        return self.leaf(task, mask, path, ANY if inputs.get("n") is ANY else output)

    def do_set_variable(self, task, mask, path):
        mask, alive = self.leaf(task, mask, path, {})
        for name, value in self.resolve(task["inputParameters"]).items():
            self.variables[name] = value
            self.writers.setdefault(name, []).append(self.nodes[-1])
        return mask, alive

    def do_start_workflow(self, task, mask, path):
        return self.leaf(task, mask, path, {"workflowId": ANY})

    def do_noop(self, task, mask, path):
        return self.leaf(task, mask, path, {})

    def do_http(self, task, mask, path):
        return self.leaf(task, mask, path, ANY)

    def do_terminate(self, task, mask, path):
        inputs = self.resolve(task["inputParameters"])
        node = self.node(task, mask, path, statuses=["COMPLETED"])
        self.fatal.append((inputs["terminationStatus"], node, inputs["workflowOutput"]))
        return mask, False

    def do_sub_workflow(self, task, mask, path):
        inputs = self.resolve(task["inputParameters"])
        definition = self.workflows[task["subWorkflowParam"]["name"]]
        outcome = foretell(self.workflows, definition, inputs, self.levels + 1)
        ends = {ending.status for ending in outcome.endings}
        if len(ends) > 1:
            raise Unpredictable(f"{task['taskReferenceName']} may end {sorted(ends)}")
        [end] = ends
        output = outcome.endings[0].output if len(outcome.endings) == 1 else ANY
        allowed = task.get("retryCount", workers.RETRIES.get(task["name"], 0))
        tries = allowed + 1 if end in ("FAILED", "TIMED_OUT") else 1
        node = self.node(task, mask, path, child=outcome)
        output = output if output is ANY else {**output, "subWorkflowId": ANY}
        return self.end(task, node, [OF_CHILD[end]] * tries, output)

    # Steps that hold others.

    def do_switch(self, task, mask, path):
        inputs = self.resolve(task["inputParameters"])
        if any(value is ANY for value in inputs.values()):
            raise Unpredictable(f"{task['taskReferenceName']} chooses by something that nobody can foretell")
        if task["evaluatorType"] == "value-param":
            value = inputs[task["expression"]]
            output = ANY
        else:
            value = scripts.CASES[task["expression"]](inputs)
            output = {"evaluationResult": [value], "selectedCase": value}
        return self.choose(task, text(value), output, mask, path, empty_is_default=False)

    def do_decision(self, task, mask, path):
        value = self.resolve(task["inputParameters"])[task["caseValueParam"]]
        if value is ANY:
            raise Unpredictable(f"{task['taskReferenceName']} chooses by something that nobody can foretell")
        return self.choose(task, text(value), ANY, mask, path, empty_is_default=True)

    def choose(self, task, case, output, mask, path, empty_is_default):
        mask, _ = self.leaf(task, mask, path, output)
        chosen = task["decisionCases"].get(case)
        if chosen is None or (empty_is_default and not chosen):
            chosen = task.get("defaultCase", [])
        return self.sequence(chosen, mask, path)

    def fork(self, fork, join, mask, path):
        mask, _ = self.leaf(fork, mask, path, {})
        join_node = self.node(join, mask, path)
        if fork["type"] == "FORK_JOIN":
            ends, joined = self.static_branches(fork, join, mask, path)
        else:
            ends, joined = self.dynamic_branches(fork, mask, path)
        if not all(alive for _, alive in ends):
            return mask, False
        for more, _ in ends:
            mask |= more
        join_node.before = mask
        return self.join(join, join_node, joined)

    def static_branches(self, fork, join, mask, path):
        """Ends of the branches that are joined, and the tasks that the JOIN names. The others stay loose."""
        ends, joined = [], []
        for branch in fork["forkTasks"]:
            end = self.sequence(branch, mask, path)
            tail = branch[-1]["taskReferenceName"]
            if tail in join["joinOn"]:
                ends.append(end)
                joined += [node for node in self.latest.get(tail, ())[-1:] if end[1]]
            else:
                self.loose.append(end)
        return ends, joined

    def dynamic_branches(self, fork, mask, path):
        inputs = self.resolve(fork["inputParameters"])
        if "forkTaskName" in inputs:
            name = inputs["forkTaskName"]
            branches = [({"taskReferenceName": f"_{name}_{number}", "type": "SIMPLE", "name": name}, {**given, "__index": number})
                        for number, given in enumerate(inputs["forkTaskInputs"])]
        else:
            branches = [(task, {**task.get("inputParameters", {}), **inputs["inputs"].get(task["taskReferenceName"], {})})
                        for task in inputs["tasks"]]
        ends, joined = [], []
        for task, given in branches:
            count = len(self.nodes)
            # What was resolved once is not resolved again: a token would be text.
            ends.append(getattr(self, "do_" + task["type"].lower())({**task, "inputParameters": given}, mask, path))
            self.nodes[count].branch = True
            joined.append(self.nodes[count])
        return ends, joined

    def join(self, task, node, joined):
        bad = [one for one in joined if one.status not in GOOD]
        errors = any(one.status == "COMPLETED_WITH_ERRORS" for one in joined)
        outputs = {one.ref: one.output for one in joined if one.output is ANY or one.output}
        unsure = bad or errors or any(output is ANY for output in outputs.values())
        status = "FAILED" if bad else "COMPLETED_WITH_ERRORS" if errors else "COMPLETED"
        return self.end(task, node, [status], ANY if unsure else outputs)

    def do_do_while(self, task, mask, path):
        node = self.node(task, mask, path)
        ref, output, iteration = task["taskReferenceName"], {}, 0
        node.output = output
        items = self.items_of(task)
        if items == []:
            return self.end(task, node, ["COMPLETED"], {"iteration": 0})
        while True:
            iteration += 1
            if items is not None:
                output |= {"loopIndex": iteration - 1, "loopItem": items[iteration - 1]}
            output["iteration"] = iteration
            first = len(self.nodes)
            mask, alive = self.iteration(task, mask, (*path, iteration))
            if not alive:
                return mask, False
            output[str(iteration)] = {one.base: one.output for one in self.nodes[first:]
                                      if one.loops == len(path) + 1 and not one.branch}
            self.keep_last(task, output, iteration, len(path))
            if not self.goes_on(task, ref, iteration, items):
                node.before = mask
                return self.end(task, node, ["COMPLETED"], output)

    def iteration(self, task, mask, path):
        """One round: it is over when all that it began has ended, joined or not."""
        kept, self.loose = self.loose, []
        mask, alive = self.sequence(task["loopOver"], mask, path)
        for more, lives in self.loose:
            mask, alive = mask | more, alive and lives
        self.loose = kept
        return mask, alive

    def items_of(self, task):
        """The list that a loop goes through; `None` for a loop without one."""
        if "items" not in task:
            return None
        items = self.resolve(task["items"])
        if items is ANY:
            raise Unpredictable("a loop over something that nobody can foretell")
        return [] if items is None else items if isinstance(items, list) else [items]

    def goes_on(self, task, ref, iteration, items):
        condition = task["loopCondition"]
        if items is not None and iteration >= len(items):
            return False
        if condition == "":
            return True
        rounds = re.search(r"iteration'?\]? < (\d+)$", condition)
        if rounds:
            return iteration < int(rounds[1])
        wanted = self.resolve(task["inputParameters"])["rounds"]
        if wanted is ANY:
            raise Unpredictable(f"{ref} goes on by something that nobody can foretell")
        return iteration < min(workers.number(wanted) or 1, 3)

    def keep_last(self, task, output, iteration, depth):
        """Drops the tasks and outputs of the iterations before the last ones."""
        keep = task.get("inputParameters", {}).get("keepLastN")
        if keep is None or iteration <= keep:
            return
        inside = set(references(task["loopOver"]))
        output.pop(str(iteration - keep), None)
        for node in self.nodes:
            position = node.ref.split("__")[1:]
            if (node.base in inside or node.branch) and len(position) > depth and int(position[depth]) <= iteration - keep:
                node.dropped = node.dropped or node.base in inside or self.branch_is_inside(node, task)

    def branch_is_inside(self, node, loop):
        """Whether a dynamic fork of the loop's body made this branch."""
        return node.base in {task["taskReferenceName"] for fork in steps(loop["loopOver"]) if fork["type"] == "FORK_JOIN_DYNAMIC"
                             for task in fork["inputParameters"].get("tasks", ())}

    # Expressions.

    def resolve(self, value, certain=None):
        """The value with its expressions replaced; `certain` says which tasks have surely ended, all by default."""
        if isinstance(value, dict):
            return {key: self.resolve(one, certain) for key, one in value.items()}
        if isinstance(value, list):
            return [self.resolve(one, certain) for one in value]
        if not isinstance(value, str):
            return value
        whole = TOKEN.fullmatch(value)
        if whole:
            return self.look_up(whole[1].split("."), certain)
        parts = {token: self.look_up(token.split("."), certain) for token in TOKEN.findall(value)}
        if any(part is ANY for part in parts.values()):
            return ANY
        return TOKEN.sub(lambda found: text(parts[found[1]]), value)

    def look_up(self, path, certain):
        if path[:2] == ["workflow", "input"]:
            return walk(self.inputs, path[2:])
        if path[:2] == ["workflow", "variables"]:
            return walk(self.variables, path[2:]) if self.is_certain(self.writers.get(path[2], ()), certain) else ANY
        nodes = self.latest.get(path[0], ())
        if not self.is_certain(nodes, certain):
            return ANY
        return walk(nodes[-1].output, path[2:]) if nodes else None

    @staticmethod
    def is_certain(nodes, certain):
        return certain is None or all(certain & node.bit for node in nodes)


def walk(value, path):
    """The member that a path leads to; null where there is none."""
    for key in path:
        if value is ANY:
            return ANY
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text(value):
    """As a value reads within a text."""
    return "null" if value is None else "true" if value is True else "false" if value is False else str(value)


def steps(tasks):
    """Every step of a list, those within others included."""
    for task in tasks:
        yield task
        for part in parts(task):
            yield from steps(part)


def parts(task):
    """The lists of steps that a step holds."""
    return [*task.get("decisionCases", {}).values(), task.get("defaultCase", []), *task.get("forkTasks", []),
            task.get("loopOver", [])]


def references(tasks):
    return (task["taskReferenceName"] for task in steps(tasks))
