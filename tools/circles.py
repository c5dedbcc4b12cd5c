"""Circles of imports between the files of one crate.

A file depends on another when its code names something that the other defines.
A name that is re-exported counts for the file that defines it; a `mod` line, a re-export and tests do not count.
"""
import re

NOISE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|\bb?r(#*)".*?"\1|\bb?"(?:\\.|[^"\\])*"|"(?:\\.|[^"\\])*"|'(?:\\[^']+|\\'|[^\\'])'""", re.DOTALL)
# `#[serde(with = "super::moment")]` names a path in a string.
ATTRIBUTE = re.compile(r"#\[[^\]]*\]")
PATH_IN_ATTRIBUTE = re.compile(r'= "(\w+(?:::\w+)+)"')
TEST_ONLY = re.compile(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*[^;{]*[;{]")
MODULE = re.compile(r"\bmod\s+(\w+)\s*([;{])")
USE = re.compile(r"(\bpub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);")
ITEM = re.compile(r"\b(fn|struct|enum|union|trait|type|static|const)\s+(?!fn\b|unsafe\b|async\b|extern\b)(?:mut\s+)?(\w+)")
PATH = re.compile(r"(?<![\w:$])\w+(?:\s*::\s*\w+)+")
WORD = re.compile(r"\w+")


class Module:
    """One module: its file, what it defines and what it imports."""

    def __init__(self, file, parent, text):
        self.file, self.parent, self.children = file, parent, {}
        self.root = parent.root if parent else self
        text = self._without_modules(text)
        self.imports = [(bool(use[1]), *leaf) for use in USE.finditer(text) for leaf in leaves(use[2])]
        self.code = USE.sub(" ", text)
        top = at_depth_zero(text)
        self.bindings = {name: path for use in USE.finditer(top) for path, name in leaves(use[2]) if name not in "*_"}
        self.globs = [path for use in USE.finditer(top) for path, name in leaves(use[2]) if name == "*"]
        items = ITEM.findall(USE.sub(" ", top))
        self.items = {name for _, name in items}
        self.traits = {name for kind, name in items if kind == "trait"}

    def _without_modules(self, text):
        """The text less the modules in it, which become children."""
        while found := MODULE.search(text):
            end = found.end()
            if found[2] == "{":
                end = closing(text, end)
                self.children[found[1]] = Module(self.file, self, text[found.end():end - 1])
            else:
                self._read_child(found[1])
            text = text[:found.start()] + " " + text[end:]
        return text

    def _read_child(self, name):
        is_folder = self.parent is None or self.file.name == "mod.rs"
        folder = self.file.parent if is_folder else self.file.with_suffix("")
        for file in (folder / f"{name}.rs", folder / name / "mod.rs"):
            if file.exists():
                self.children[name] = Module(file, self, code_of(file.read_text()))

    def all(self):
        yield self
        for child in self.children.values():
            yield from child.all()

    def find(self, path, seen=frozenset()):
        """(module that defines it, name) of the first item on a path, or nothing where it is no item of this crate."""
        first, rest = (path[0], path[1:]) if path else ("", ())
        if first == "crate":
            return self.root.find(rest, seen)
        if first == "self":
            return self.find(rest, seen)
        if first == "super":
            return self.parent and self.parent.find(rest, seen)
        if rest and first in self.children:
            return self.children[first].find(rest, seen)
        if first in self.items:
            return self, first
        # A crate may be known by the name that it has itself: `use anyhow::anyhow`.
        if (self, first) in seen:
            return None
        seen = seen | {(self, first)}
        if first in self.bindings:
            return self.find(self.bindings[first] + rest, seen)
        return next(filter(None, (self.find(glob + path, seen) for glob in self.globs)), None)

    def uses(self):
        """Each (module, name) that the code of this module needs."""
        words = set(WORD.findall(self.code))
        for is_shared, path, name in self.imports:
            if name == "*":
                yield from (self.find(path + (word,)) for word in words - self.items - self.bindings.keys())
                continue
            found = self.find(path)
            # A trait is used by its methods; any other import that the code does not name is for the modules below.
            if found and (name in words or not is_shared and found[1] in found[0].traits):
                yield found
        for path in PATH.findall(self.code):
            yield self.find(tuple(WORD.findall(path)))


def circle_faults(crates, not_yet=()):
    """One line for each circle, over the crates of a folder."""
    for source in sorted(crates.glob("*/src")):
        for root in (source / "lib.rs", source / "main.rs"):
            if root.exists() and source.parent.name not in not_yet:
                edges = edges_of(root)
                for circle in circles(edges):
                    yield f"crates/{source.parent.name}: a circle of imports: " + told(circle, edges)


def edges_of(root):
    """File -> the files it depends on -> the names it needs of them."""
    edges = {}
    for module in Module(root, None, code_of(root.read_text())).all():
        for defined, name in filter(None, module.uses()):
            if defined.file != module.file:
                edges.setdefault(module.file, {}).setdefault(defined.file, set()).add(name)
    return edges


def circles(edges):
    """The sets of files of which each reaches each other."""
    below = {file: set(way_to(file, edges)) for file in edges}
    together = {frozenset(b for b in below[a] if a in below.get(b, ())) for a in edges if a in below[a]}
    return sorted(together, key=sorted)


def way_to(start, edges, inside=None):
    """File -> the file before it on the shortest way from `start`; `start` itself only if it is on a circle."""
    before, waiting = {}, [start]
    for file in waiting:
        for other in sorted(edges.get(file, ())):
            if other not in before and (inside is None or other in inside):
                before[other] = file
                waiting.append(other)
    return before


def told(circle, edges):
    """The files of a circle, and one way around with the names that make it."""
    start = min(circle)
    before = way_to(start, edges, circle)
    way = [start, before[start]]
    while way[-1] != start:
        way.append(before[way[-1]])
    way.reverse()
    name = {file: file.as_posix().rpartition("/src/")[2] for file in circle}
    steps = [f" -> {name[b]} ({', '.join(sorted(edges[a][b]))})" for a, b in zip(way, way[1:])]
    return f"{', '.join(sorted(name.values()))}: {name[start]}{''.join(steps)}"


def code_of(text):
    """A file's text without comments, texts and what is only for tests."""
    text = ATTRIBUTE.sub(lambda attribute: PATH_IN_ATTRIBUTE.sub(r"= \1", attribute[0]), text)
    text = NOISE.sub(" ", text)
    while found := TEST_ONLY.search(text):
        end = closing(text, found.end()) if found[0].endswith("{") else found.end()
        text = text[:found.start()] + text[end:]
    return text


def closing(text, start):
    """Where the block ends whose opening brace is just before `start`."""
    depth = 1
    for brace in re.finditer(r"[{}]", text[start:]):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return start + brace.end()
    return len(text)


def at_depth_zero(text):
    """The text less every block that is not part of a `use`."""
    kept, position = [], 0
    for found in re.finditer(r"\buse\s[^;]+;|\{", text):
        if found.start() >= position:
            kept.append(text[position:found.end()])
            position = closing(text, found.end()) if found[0] == "{" else found.end()
    return "".join(kept) + text[position:]


def leaves(tree, prefix=()):
    """(path, name it is known by) of each name of a `use`."""
    tree = tree.strip()
    if "{" in tree:
        head, inner = tree[:tree.index("{")], tree[tree.index("{") + 1:tree.rindex("}")]
        prefix += tuple(WORD.findall(head))
        for part in re.findall(r"(?:[^,{}]|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})+", inner):
            if part.strip():
                yield from leaves(part, prefix)
        return
    path, _, alias = re.sub(r"\s+as\s+", " as ", tree).partition(" as ")
    names = prefix + tuple(WORD.findall(path))
    if path.endswith("*"):
        yield names, "*"
    elif names[-1] == "self":
        yield names[:-1], alias or names[-2]
    else:
        yield names, alias or names[-1]
