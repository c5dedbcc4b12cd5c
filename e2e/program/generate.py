"""A random program from a seed: definitions, an input, and what people do to it. The same seed gives the same program.

A program is plain JSON:

    {"seed": 7, "workflows": [root, child, …], "input": {…}, "operations": [{"after_s": 0.4, "do": "pause"}, …]}

A step reads only what has surely been written before it runs, so that without operations a program ends in one way only,
whatever the timing; `oracle` foretells which.
"""
import random

from . import scripts, workers

DEPTH_MAX = 6
# Steps of a whole program: many small ones find more than few large ones, but some faults need size.
SIZES = (3, 5, 8, 12, 18, 30)
SIZE_WEIGHTS = (20, 25, 25, 18, 9, 3)
OPERATED_SHARE = 0.25
OPERATIONS = ("pause", "resume", "terminate", "retry", "restart", "rerun", "rerun-task", "skip", "decide", "reset", "signal")
# Stands in a program for the definition of the child that the step names, written inside the step.
INLINE = "inline"
LEAF, FAILURE = "prog_leaf", "prog_failure"
CONTAINERS = {"switch": 3, "decision": 1, "loop": 4, "fork": 4, "dynamic-fork": 2, "child": 3, "race": 0.4}
LEAVES = {"simple": 8, "wait": 3, "signal": 1.2, "human": 0.8, "inline": 4, "lambda": 0.5, "jq": 4, "set": 2, "dynamic": 1,
          "start": 0.7, "noop": 1, "http": 0.5, "terminate": 0.25}


def program(seed):
    """The program of a seed."""
    return Maker(seed).program()


def common_workflows():
    """Definitions that every program may name."""
    leaf = [{"name": "nothing", "taskReferenceName": "nothing", "type": "NOOP"}]
    told = [{"name": workers.STEADY, "taskReferenceName": "told", "type": "SIMPLE",
             "inputParameters": {"do": {"kind": "complete"}, "n": 1}}]
    return [workflow(LEAF, leaf), workflow(FAILURE, told)]


def definitions_of(program):
    """The definitions of a program as they are registered, with the children that are written inside a step."""
    by_name = {definition["name"]: definition for definition in program["workflows"]}

    def written(value):
        if isinstance(value, dict):
            inner = by_name[value["name"]] if value.get("workflowDefinition") == INLINE else None
            return {key: written(inner if inner and key == "workflowDefinition" else one) for key, one in value.items()}
        return [written(one) for one in value] if isinstance(value, list) else value

    return [written(definition) for definition in program["workflows"]]


def workflow(name, tasks, **members):
    return {"name": name, "version": 1, "schemaVersion": 2, "timeoutSeconds": 0, "ownerEmail": "e2e@example.com",
            "tasks": tasks, **members}


class Scope:
    """What a step may read, and where it stands."""

    def __init__(self, numbers, depth, in_loop=False, levels=0):
        self.numbers, self.depth, self.in_loop, self.levels = list(numbers), depth, in_loop, levels

    def inner(self, in_loop=None):
        return Scope(self.numbers, self.depth + 1, self.in_loop if in_loop is None else in_loop, self.levels)


class Maker:
    """Makes one program."""

    def __init__(self, seed):
        self.seed, self.random = seed, random.Random(seed)
        self.steps, self.children, self.refs = 0, [], 0
        # Which kind of dynamic fork the definition has that is being made.
        self.dynamic_forks = None

    def program(self):
        self.steps = self.random.choices(SIZES, SIZE_WEIGHTS)[0]
        root = self.workflow(f"p{self.seed}", Scope((), 0))
        operated = self.random.random() < OPERATED_SHARE
        return {"seed": self.seed, "workflows": [root, *self.children],
                "input": {"n": self.random.randrange(4), "list": list(range(self.random.randrange(4))), "none": None},
                "operations": self.operations() if operated else []}

    def operations(self):
        moments = sorted(round(self.random.uniform(0, 4), 2) for _ in range(self.random.randrange(1, 6)))
        return [{"after_s": moment, "do": self.random.choice(OPERATIONS), "pick": self.random.randrange(1000)}
                for moment in moments]

    def workflow(self, name, scope):
        scope.numbers = ["${workflow.input.n}", "${workflow.input.none}"]
        tasks = self.sequence(scope, self.random.randrange(1, 7))
        members = {}
        if self.random.random() < 0.85:
            known = self.random.sample(scope.numbers, min(3, len(scope.numbers)))
            members["outputParameters"] = {f"o{number}": value for number, value in enumerate(known)}
        if self.random.random() < 0.15:
            members["failureWorkflow"] = FAILURE
        return workflow(name, tasks, **members)

    def sequence(self, scope, count):
        """Steps one after the other; at least one, even when the program's size is used up."""
        tasks = []
        while len(tasks) < count and (self.steps > 0 or not tasks):
            made = self.step(scope)
            tasks += made
            if made[-1]["type"] == "TERMINATE":
                break  # what follows could never run
        return tasks

    def step(self, scope):
        """One step, with the JOIN that belongs to it."""
        self.steps -= 1
        kinds = dict(LEAVES)
        if scope.depth < DEPTH_MAX and self.steps > 0:
            kinds |= CONTAINERS
        if scope.levels >= 2:
            kinds.pop("child", None)
        kind = self.random.choices(list(kinds), list(kinds.values()))[0]
        return getattr(self, "make_" + kind.replace("-", "_"))(scope)

    # Leaves.

    def make_simple(self, scope):
        name, do = self.worker_script()
        task = self.task("SIMPLE", name=name, inputParameters={"do": do, **self.values(scope)})
        self.tolerate(task, scope)
        if name != workers.STEADY and self.random.random() < 0.1:
            task["retryCount"] = self.random.randrange(2)
        return self.seen(scope, task, "n")

    def worker_script(self):
        kind = self.random.choices(
            ("complete", "slow", "callback", "fail", "always", "refuse", "silent"), (60, 6, 5, 14, 5, 4, 3))[0]
        if kind == "silent":
            return workers.SILENT, {"kind": "silent", "times": 1}
        if kind == "always":
            return self.random.choice((workers.ONCE, workers.TWICE)), {"kind": "fail", "times": 100}
        if kind == "fail":
            name = self.random.choice((workers.STEADY, workers.STEADY, workers.LATER))
            return name, {"kind": "fail", "times": self.random.randrange(1, 3)}
        if kind == "refuse":
            return workers.STEADY, {"kind": "refuse"}
        return workers.STEADY if self.random.random() < 0.9 else workers.TWICE, {"kind": kind}

    def make_dynamic(self, scope):
        name, do = self.worker_script()
        inputs = {"which": name, "do": do, **self.values(scope)}
        task = self.task("DYNAMIC", dynamicTaskNameParam="which", inputParameters=inputs)
        self.tolerate(task, scope)
        return self.seen(scope, task, "n")

    def make_wait(self, scope):
        inputs = self.random.choice(({"duration": "1 seconds"}, {"duration": "1s"}, {"duration": "2 sec"},
                                     {"until": "2020-01-01"}, {"until": "2020-01-01 10:30"}))
        return self.seen(scope, self.task("WAIT", inputParameters=inputs))

    def make_signal(self, scope):
        return self.seen(scope, self.task("WAIT"), "n")

    def make_human(self, scope):
        return self.seen(scope, self.task("HUMAN", inputParameters={"question": self.number(scope)}), "n")

    def make_inline(self, scope):
        if self.random.random() < 0.1:
            inputs = {"evaluatorType": "value-param", "expression": "n", "n": self.number(scope)}
            return self.seen(scope, self.task("INLINE", inputParameters=inputs), "result")
        fails = self.random.random() < 0.05
        source = scripts.JAVASCRIPT_FAILS if fails else self.random.choice(list(scripts.JAVASCRIPT))
        inputs = {"evaluatorType": self.random.choice(("javascript", "graaljs")), "expression": source, "n": self.number(scope)}
        task = self.task("INLINE", inputParameters=inputs)
        self.tolerate(task, scope, 0.6 if fails else 0.1)
        return self.seen(scope, task, *(["result"] if source in scripts.NUMBERS_JAVASCRIPT else []))

    def make_lambda(self, scope):
        inputs = {"scriptExpression": self.random.choice(list(scripts.LAMBDA)), "n": self.number(scope)}
        return self.seen(scope, self.task("LAMBDA", inputParameters=inputs), "result")

    def make_jq(self, scope):
        fails = self.random.random() < 0.05
        source = scripts.JQ_FAILS if fails else self.random.choice(list(scripts.JQ))
        task = self.task("JSON_JQ_TRANSFORM", inputParameters={"queryExpression": source, "n": self.number(scope)})
        self.tolerate(task, scope, 0.6 if fails else 0.1)
        return self.seen(scope, task, *(["result"] if source in scripts.NUMBERS_JQ else []))

    def make_set(self, scope):
        """Each step sets a variable of its own, so that branches do not race."""
        task = self.task("SET_VARIABLE")
        variable = f"v_{task['taskReferenceName']}"
        task["inputParameters"] = {variable: self.number(scope)}
        scope.numbers.append(f"${{workflow.variables.{variable}}}")
        return [task]

    def make_start(self, scope):
        return self.seen(scope, self.task("START_WORKFLOW", inputParameters={
            "startWorkflow": {"name": LEAF, "version": 1, "input": {"n": self.number(scope)}}}))

    def make_noop(self, scope):
        return self.seen(scope, self.task("NOOP"))

    def make_http(self, scope):
        request = {"uri": "${workflow.input.stub}", "method": "GET"}
        return self.seen(scope, self.task("HTTP", name=workers.CALL, inputParameters={"http_request": request}))

    def make_terminate(self, scope):
        status = self.random.choice(("COMPLETED", "FAILED", "TERMINATED"))
        return [self.task("TERMINATE", inputParameters={
            "terminationStatus": status, "terminationReason": "enough", "workflowOutput": {"last": self.number(scope)}})]

    # What holds other steps.

    def make_switch(self, scope):
        if self.random.random() < 0.5:
            source = self.random.choice(list(scripts.CASES))
            members = {"evaluatorType": self.random.choice(("javascript", "graaljs")), "expression": source}
            names = scripts.CASES_OF[source]
            inputs = {"n": self.number(scope)}
        else:
            members, names = {"evaluatorType": "value-param", "expression": "case"}, ("0", "1", "2", "null")
            inputs = {"case": self.number(scope)}
        task = self.task("SWITCH", inputParameters=inputs, **members, **self.cases(scope, names))
        return self.seen(scope, task)

    def make_decision(self, scope):
        names = ("0", "1", "2")
        return self.seen(scope, self.task(
            "DECISION", caseValueParam="case", inputParameters={"case": self.number(scope)}, **self.cases(scope, names)))

    def cases(self, scope, names):
        """Some of the cases, and perhaps what is done in any other.

        What a branch wrote may be read later: it is null if the branch did not run.
        """
        chosen = self.random.sample(names, self.random.randrange(1, min(3, len(names)) + 1))
        found = {"decisionCases": {}, "defaultCase": []}
        written = []
        for name in (*chosen, "default"):
            inner = scope.inner()
            tasks = [] if self.random.random() < 0.15 else self.sequence(inner, self.random.randrange(1, 3))
            if name == "default":
                found["defaultCase"] = tasks
            else:
                found["decisionCases"][name] = tasks
            written += inner.numbers[len(scope.numbers):]
        scope.numbers += written
        return found

    def make_loop(self, scope):
        task = self.task("DO_WHILE")
        ref, inputs = task["taskReferenceName"], {}
        inner = scope.inner(in_loop=True)
        by_list = self.random.random() < 0.35
        if by_list:
            task["items"] = self.random.choice(("${workflow.input.list}", "${workflow.input.list}", "${workflow.input.none}"))
            task["loopCondition"] = self.random.choice(("", f"$.{ref}.iteration < 2"))
            inner.numbers.append(f"${{{ref}.output.loopItem}}")
        elif self.random.random() < 0.5:
            inputs["rounds"] = self.number(scope)
            task["loopCondition"] = f"$.{ref}.iteration < Math.min($.rounds || 1, 3)"
        else:
            task["loopCondition"] = f"$.{ref}['iteration'] < {self.random.randrange(1, 4)}"
        if self.random.random() < 0.15:
            inputs["keepLastN"] = self.random.randrange(1, 3)
        if inputs:
            task["inputParameters"] = inputs
        task["loopOver"] = self.sequence(inner, self.random.randrange(1, 4))
        scope.numbers += [*inner.numbers[len(scope.numbers) + by_list:], f"${{{ref}.output.iteration}}"]
        return [task]

    def make_fork(self, scope):
        branches, joined, written = [], [], []
        for _ in range(self.random.choices((1, 2, 3, 5), (1, 5, 3, 1))[0]):
            inner = scope.inner()
            branch = self.sequence(inner, self.random.randrange(1, 4))
            if branch[-1]["type"] in ("SWITCH", "DECISION"):
                branch.append(self.task("NOOP"))  # a JOIN does not wait for what a SWITCH chose
            branches.append(branch)
            if self.random.random() < 0.9:
                joined.append(branch[-1]["taskReferenceName"])
                written += inner.numbers[len(scope.numbers):]
        fork = self.task("FORK_JOIN", forkTasks=branches)
        join = self.task("JOIN", joinOn=joined)
        scope.numbers += written
        return [fork, join]

    def make_dynamic_fork(self, scope):
        """One step a branch: either from a list of steps and a map of inputs, or one worker for each element of a list."""
        if self.dynamic_forks == "named":
            return self.make_fork(scope)  # how a second one names its branches depends on the timing
        fork = self.task("FORK_JOIN_DYNAMIC")
        count = self.random.choices((0, 1, 2, 4), (1, 2, 4, 2))[0]
        if not self.dynamic_forks and not scope.in_loop and self.random.random() < 0.3:
            branches = [{"do": self.worker_script()[1], **self.values(scope)} for _ in range(count)]
            name = workers.TWICE
            fork["inputParameters"] = {"forkTaskName": name, "forkTaskInputs": [self.gentle(branch) for branch in branches]}
            self.dynamic_forks = "named"
        else:
            tasks = [self.dynamic_branch(scope) for _ in range(count)]
            fork |= {"dynamicForkTasksParam": "tasks", "dynamicForkTasksInputParamName": "inputs"}
            inputs = {task["taskReferenceName"]: self.values(scope) for task in tasks}
            fork["inputParameters"] = {"tasks": tasks, "inputs": inputs}
            self.dynamic_forks = "listed"
        return [fork, self.task("JOIN", joinOn=[])]

    def gentle(self, inputs):
        """A script that the definition TWICE can play, whichever it was made for."""
        return {**inputs, "do": {"kind": "complete"} if inputs["do"]["kind"] in ("silent", "refuse") else inputs["do"]}

    def dynamic_branch(self, scope):
        kind = self.random.choices(("simple", "inline", "jq", "wait", "noop"), (6, 2, 2, 2, 1))[0]
        [task] = getattr(self, f"make_{kind}")(scope.inner())
        return task

    def make_child(self, scope):
        name = f"p{self.seed}_{len(self.children) + 1}"
        self.children.append(None)
        place, kept = len(self.children) - 1, self.dynamic_forks
        self.dynamic_forks = None
        definition = self.workflow(name, Scope((), scope.depth + 1, levels=scope.levels + 1))
        self.dynamic_forks = kept
        self.children[place] = definition
        parameters = {"name": name, "version": 1}
        if self.random.random() < 0.3:
            parameters["workflowDefinition"] = INLINE
        step = self.task("SUB_WORKFLOW", subWorkflowParam=parameters, inputParameters={
            "n": self.number(scope), "list": self.random.choice(([], [4], [5, 6], "${workflow.input.list}")),
            "stub": "${workflow.input.stub}"})
        if self.random.random() < 0.2:
            step["name"] = workers.CHILD
        self.tolerate(step, scope, 0.2)
        known = list(definition.get("outputParameters", {}))
        return self.seen(scope, step, *known[:1])

    def make_race(self, scope):
        """A timer of an hour beside a branch that ends the execution: it must never go off."""
        inner = scope.inner()
        branch = [*self.sequence(inner, 1), *self.make_wait(inner)]
        if branch[0]["type"] != "TERMINATE":
            branch += self.make_terminate(inner)
        else:
            branch = branch[:1]
        never = self.task("WAIT", inputParameters={"duration": "1 hour"})
        fork = self.task("FORK_JOIN", forkTasks=[[never], branch])
        return [fork, self.task("JOIN", joinOn=[never["taskReferenceName"], branch[-1]["taskReferenceName"]])]

    # Parts of a step.

    def task(self, kind, name=None, **members):
        self.refs += 1
        ref = f"t{self.refs}"
        return {"name": name or f"p_{ref}", "taskReferenceName": ref, "type": kind, **members}

    def seen(self, scope, task, *fields):
        """The step; what it gives may be read from now on."""
        ref = task["taskReferenceName"]
        scope.numbers += [f"${{{ref}.output.{field}}}" for field in fields]
        return [task]

    def number(self, scope):
        """A number, or an expression for one, which may be null."""
        if self.random.random() < 0.2:
            return self.random.randrange(5)
        return self.random.choice(scope.numbers)

    def values(self, scope):
        """A worker's input: what it counts with, and what it gives back unchanged."""
        echo = self.random.choice((None, self.number(scope), f"a {self.number(scope)} b", {"deep": [self.number(scope), True]}))
        return {"n": self.number(scope), "echo": echo}

    def tolerate(self, task, scope, share=0.2):
        """Perhaps the flow goes on when this step has failed."""
        if self.random.random() < share:
            permissive = not scope.in_loop and self.random.random() < 0.4
            task["permissive" if permissive else "optional"] = True
