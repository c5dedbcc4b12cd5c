"""What workers do in random programs: the task definitions, and the answer of a worker to a task.

Each task carries its script as its input `do`, so that workers keep nothing and any number of them gives the same answers.
"""

STEADY, ONCE, TWICE, LATER, SILENT, CALL, CHILD = (
    "prog_steady", "prog_once", "prog_twice", "prog_later", "prog_silent", "prog_call", "prog_child")
# Those that a worker polls; HTTP is the executor's, and children are the engine's.
QUEUES = (STEADY, ONCE, TWICE, LATER, SILENT)
# More than any number of leases that faults can end while a program runs.
MANY_RETRIES = 20
RETRIES = {STEADY: MANY_RETRIES, ONCE: 0, TWICE: 1, LATER: 2, SILENT: MANY_RETRIES, CALL: MANY_RETRIES, CHILD: 1}
DELAY_S = {LATER: 1}
# The lease of a task that its worker never reports.
SILENCE_S = 1
SLOW_S = 0.4
PERSON_SAYS = {"n": 7}


def definitions(lease_s):
    """The task definitions, for a site whose leases last so long."""
    return [definition(name, SILENCE_S if name == SILENT else lease_s) for name in RETRIES]


def definition(name, lease_s):
    return {"name": name, "retryCount": RETRIES[name], "retryLogic": "FIXED", "retryDelaySeconds": DELAY_S.get(name, 0),
            "timeoutSeconds": 0, "timeoutPolicy": "RETRY", "responseTimeoutSeconds": lease_s}


def answer(inputs, attempt, polls):
    """(status, output, seconds until it is reported) of a task's attempt, from 0, that was polled so often.

    `None` for the status is a worker that never reports.
    """
    do = inputs["do"]
    kind = do["kind"]
    if kind == "fail" and attempt < do["times"]:
        return "FAILED", {"failed": True}, 0
    if kind == "refuse":
        return "FAILED_WITH_TERMINAL_ERROR", {"failed": True}, 0
    if kind == "silent" and attempt < do["times"]:
        return None, {}, 0
    if kind == "callback" and polls < 2:
        return "IN_PROGRESS", {"half": True}, 0
    return "COMPLETED", result(inputs), SLOW_S if kind == "slow" else 0


def result(inputs):
    """What a worker gives that completes."""
    return {"n": number(inputs.get("n")) + 1, "echo": inputs.get("echo")}


def number(value):
    """As `(value || 0)` in a script, for what programs count with."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
