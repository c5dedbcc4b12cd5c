"""The scripts of random programs, each with what it gives: the source that the engine runs, and the same in Python."""
from .workers import number


class Fails(Exception):
    """The script ends with an error."""


def fail(_):
    raise Fails


# Source -> what it gives for the task's input. The first ones give a number.
JAVASCRIPT = {
    "($.n || 0) + 10": lambda inputs: number(inputs.get("n")) + 10,
    "(function () { return ($.n || 0) * 2; })()": lambda inputs: number(inputs.get("n")) * 2,
    "[1, 2, $.n || 0].reduce((a, b) => a + b, 0)": lambda inputs: 3 + number(inputs.get("n")),
    "({a: $.n || 0, b: 'x'})": lambda inputs: {"a": number(inputs.get("n")), "b": "x"},
    "[$.n || 0, 'y']": lambda inputs: [number(inputs.get("n")), "y"],
    "null": lambda _: None,
}
JAVASCRIPT_FAILS = "throw new Error('no')"
LAMBDA = {"return ($.n || 0) + 5;": lambda inputs: number(inputs.get("n")) + 5}
JQ = {
    "(.n // 0) + 100": lambda inputs: [number(inputs.get("n")) + 100],
    "[.n // 0, 3] | add": lambda inputs: [number(inputs.get("n")) + 3],
    "{m: (.n // 0)}": lambda inputs: [{"m": number(inputs.get("n"))}],
    "1, 2, (.n // 0)": lambda inputs: [1, 2, number(inputs.get("n"))],
}
JQ_FAILS = 'error("no")'
NUMBERS_JAVASCRIPT, NUMBERS_JQ = list(JAVASCRIPT)[:3], list(JQ)[:2]
# For SWITCH: the case, as text.
CASES = {
    "String(($.n || 0) % 3)": lambda inputs: str(number(inputs.get("n")) % 3),
    "($.n || 0) % 2 == 0 ? 'even' : 'odd'": lambda inputs: "even" if number(inputs.get("n")) % 2 == 0 else "odd",
}
CASES_OF = {source: names for source, names in zip(CASES, (("0", "1", "2"), ("even", "odd")))}


def javascript(source, inputs):
    return fail(inputs) if source == JAVASCRIPT_FAILS else JAVASCRIPT[source](inputs)


def jq(source, inputs):
    """All values that it gives."""
    return fail(inputs) if source == JQ_FAILS else JQ[source](inputs)
