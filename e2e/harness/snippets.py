"""Reading the fenced blocks of a page, by the convention of CONTRIBUTING.md."""
import dataclasses
import re
import shlex

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
COMMENTS = ("given", "needs", "installed")
COMMENT = re.compile(rf"^ *<!-- ({'|'.join(COMMENTS)})\b ?(.*)$")
COMMENT_END = "-->"
RUN, PICTURES = ("console", "sh"), ("mermaid",)
MARKS = ("file", "part-of", "run-by", "installed", "not-run")
ANY = "…"
# What differs from run to run, and is the same for a reader: ids and moments.
ALIKE = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?"), "<moment>"),
)


@dataclasses.dataclass
class Block:
    """One fenced block, or a comment for the suite."""

    line: int
    language: str
    marks: dict
    text: str

    @property
    def kind(self):
        """What is done with it: a mark, a language that is run, or a comment's name."""
        return next(iter(self.marks), self.language)

    def fault(self):
        """Why it is of no known kind, if it is not."""
        if len(self.marks) > 1:
            return f"has more than one mark: {', '.join(self.marks)}"
        unknown = [mark for mark in self.marks if mark not in MARKS]
        if unknown:
            return f"has an unknown mark: {unknown[0]}"
        if self.marks and not all(self.marks.values()):
            return f"has the mark {self.kind} without a value"
        if not self.marks and self.language not in (*RUN, *PICTURES, *COMMENTS):
            return f"is neither run nor marked: `{self.language or 'no language'}`"
        return None


def blocks(text):
    """The blocks of a page, in order."""
    lines = text.splitlines()
    found, number = [], 0
    while number < len(lines):
        fence, comment = FENCE.match(lines[number]), COMMENT.match(lines[number])
        if fence:
            number, block = fenced(lines, number, fence)
            found.append(block)
        elif comment:
            number, block = commented(lines, number, comment)
            found.append(block)
        number += 1
    return found


def fenced(lines, first, opening):
    """A block from its fence on; (number of its last line, block)."""
    indent, fence = len(opening["indent"]), opening["fence"]
    closing = re.compile(rf"^ *{re.escape(fence[0])}{{{len(fence)},}} *$")
    last = next((number for number in range(first + 1, len(lines)) if closing.match(lines[number])), len(lines))
    body = [line[indent:] if not line[:indent].strip() else line for line in lines[first + 1:last]]
    language, *words = shlex.split(opening["info"]) or [""]
    marks = dict(word.partition("=")[::2] for word in words)
    return last, Block(first + 1, language, marks, "".join(f"{line}\n" for line in body))


def commented(lines, first, opening):
    """A comment for the suite; (number of its last line, block)."""
    name, rest = opening[1], opening[2]
    if rest.endswith(COMMENT_END):
        return first, Block(first + 1, name, {}, rest.removesuffix(COMMENT_END).strip() + "\n")
    last = next((number for number in range(first + 1, len(lines)) if lines[number].strip() == COMMENT_END), len(lines))
    return last, Block(first + 1, name, {}, "".join(f"{line}\n" for line in (rest, *lines[first + 1:last]) if line))


def commands(text):
    """(line within the block, command, what it prints) of a console block."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("$ "):
            found.append((number, [line[2:]], []))
        elif line.startswith("> ") and found and not found[-1][2]:
            found[-1][1].append(line[2:])
        elif found:
            found[-1][2].append(line)
        else:
            found.append((number, [], [line]))
    return [(number, "\n".join(command), "\n".join(output)) for number, command, output in found]


def matches(expected, printed):
    """Whether a command printed what the page says."""
    return re.fullmatch(pattern(alike(expected)), alike(printed)) is not None


def alike(text):
    """The text with what differs from run to run made equal, and no space at the ends of its lines."""
    for what, name in ALIKE:
        text = what.sub(name, text)
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())


def pattern(expected):
    """A regular expression: `…` is any text in a line, a line of it any lines; columns may be wider or narrower."""
    def of_line(line):
        if line.strip() == ANY:
            return r"(?:.*\n)*?"
        parts = (re.sub(r"(?:\\ ){2,}", " {2,}", re.escape(part)) for part in line.split(ANY))
        return ".*?".join(parts) + r"\n"

    return "".join(of_line(line) for line in expected.splitlines())
