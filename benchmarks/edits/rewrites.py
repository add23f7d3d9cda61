# SPDX-License-Identifier: MIT
"""Mechanical refactorings of one Python file, for collect.py. The result always parses."""
import ast
import builtins
import io
import keyword
import re
import tokenize

RESERVED = set(keyword.kwlist) | set(keyword.softkwlist) | set(dir(builtins)) | {"self", "cls", "args", "kwargs"}
# Parameters to add: name, default, what callers pass.
PARAMETERS = [("timeout", "None", "30"), ("strict", "False", "True"), ("verbose", "False", "True"),
              ("encoding", '"utf-8"', '"latin-1"'), ("max_items", "None", "100"), ("prefix", '""', '"x_"'),
              ("dry_run", "False", "True"), ("retries", "0", "3")]
SKIPPED = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


class source:
    """A parsed file. Places are (line from 0, character)."""

    def __init__(self, text):
        self.text = text
        self.lines = text.splitlines(keepends=True)
        self.tree = ast.parse(text)
        self.tokens = [t for t in tokenize.generate_tokens(io.StringIO(text).readline)]
        self.names = {t.string for t in self.tokens if t.type == tokenize.NAME}
        self.fixed = set()  # names that strings mention: in f-strings, __all__, getattr
        for node in ast.walk(self.tree):
            if isinstance(node, ast.JoinedStr):
                self.fixed.update(re.findall(r"\w+", ast.unparse(node)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                self.fixed.add(node.value)

    def place(self, line, byte):
        return line - 1, len(self.lines[line - 1].encode()[:byte].decode())

    def replace(self, changes):
        """Replaces, in order of the places: (place, old text, new text)."""
        lines = list(self.lines)
        for (line, at), old, new in sorted(set(changes), reverse=True):
            if not lines[line].startswith(old, at):
                return None
            lines[line] = lines[line][:at] + new + lines[line][at + len(old):]
        text = "".join(lines)
        try:
            ast.parse(text)
        except (SyntaxError, ValueError):
            return None
        return text


def is_free(file, name):
    return len(name) > 2 and not name.startswith("__") and name not in RESERVED and name not in file.fixed


def new_name(file, name, kind, random):
    """Another plausible name in the same style that the file does not use."""
    bare = name.lstrip("_")
    prefixes = ["do_", "run_", "perform_"] if kind == "function" else ["current_", "own_", "inner_"]
    suffixes = ["_impl", "_for", "_step"] if kind == "function" else ["_value", "_item", "_data"]
    made = [p + bare for p in prefixes] + [bare + s for s in suffixes]
    made = [name[: len(name) - len(bare)] + m for m in made]
    made = [m for m in made if m not in file.names and m not in RESERVED and not re.search(r"\b%s\b" % m, file.text)]
    return random.choice(made) if made and bare.islower() else None


def functions_of(file):
    return [n for n in ast.walk(file.tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]


def local_names(file, function):
    """Names that a function assigns and that are neither parameters nor declared elsewhere: name to its nodes."""
    nodes = list(ast.walk(function))
    taken = {a.arg for a in nodes if isinstance(a, ast.arg)}
    for node in nodes:
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            taken.update(node.names)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            taken.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            taken.update((a.asname or a.name).split(".")[0] for a in node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            taken.add(node.name)
        elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
            taken.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            taken.add(node.rest)
    used = {}
    for node in nodes:
        if isinstance(node, ast.Name) and node.id not in taken:
            used.setdefault(node.id, []).append(node)
    return {n: u for n, u in used.items() if is_free(file, n) and any(isinstance(x.ctx, ast.Store) for x in u)}


def uses(file, name):
    """Where a name is used as a name: [(place, what stands before it: "", "self" or "other")], without keywords."""
    words = [t for t in file.tokens if t.type not in SKIPPED]
    found, depth = [], 0
    for i, t in enumerate(words):
        depth += (t.string in "([{") - (t.string in ")]}") if t.type == tokenize.OP else 0
        if t.type != tokenize.NAME or t.string != name or depth and words[i + 1].string == "=":
            continue
        owner = words[i - 2].string if i > 1 and words[i - 1].string == "." else ""
        found.append(((t.start[0] - 1, t.start[1]), owner and ("self" if owner in ("self", "cls") else "other")))
    return found


def candidates(file):
    """Functions that nothing but this file's own calls seem to mean: (node, uses)."""
    functions = functions_of(file)
    defined = [f.name for f in functions]
    methods = {id(f) for c in ast.walk(file.tree) if isinstance(c, ast.ClassDef) for f in c.body}
    taken = {n.id for n in ast.walk(file.tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    taken |= {n.attr for n in ast.walk(file.tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    taken |= {(a.asname or a.name).split(".")[0] for n in ast.walk(file.tree)
              if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names}
    for function in functions:
        if defined.count(function.name) == 1 and function.name not in taken and is_free(file, function.name):
            places = uses(file, function.name)
            owners = [owner for _, owner in places]
            if owners.count("self" if id(function) in methods else "") + (id(function) in methods) == len(owners):
                yield function, places


def rename(text, random):
    """Renames a local variable, a function or an attribute: (text, what changed), or None."""
    file = source(text)
    found = {"variable": [], "function": [], "attribute": []}
    for function in functions_of(file):
        for name, nodes in sorted(local_names(file, function).items()):
            found["variable"].append((name, {file.place(n.lineno, n.col_offset) for n in nodes}))
    for function, places in candidates(file):
        found["function"].append((function.name, {place for place, _ in places}))
    assigned = {n.attr for n in ast.walk(file.tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    for name in sorted(assigned):
        places = uses(file, name)
        if is_free(file, name) and all(owner == "self" for _, owner in places):
            found["attribute"].append((name, {place for place, _ in places}))
    for kind in random.sample(sorted(found), len(found)):
        names = [f for f in found[kind] if 3 <= len(f[1]) <= 40]
        random.shuffle(names)
        for name, places in names[:4]:
            to = new_name(file, name, kind, random)
            made = to and file.replace([(p, name, to) for p in places])
            if made:
                return made, f"rename the {kind} {name} to {to}"
    return None


def argument_place(file, opening):
    """Where a further argument goes after the "(" at `opening`: (place, text before it, text after it), or None."""
    words = [t for t in file.tokens if t.type not in SKIPPED]
    first = next((i for i, t in enumerate(words) if t.string == "(" and t.start == opening), None)
    depth = 0
    for i in range(len(words) if first is None else first, len(words)):
        if words[i].type == tokenize.OP:
            depth += (words[i].string in "([{") - (words[i].string in ")]}")
        if depth:
            continue
        last = words[i - 1]
        place = last.end[0] - 1, last.end[1]
        if i - 1 == first:
            return place, "", ""
        if last.string != ",":
            return place, ", ", ""
        if last.end[0] == words[i].start[0]:
            return place, " ", ""
        return place, "\n" + re.match(r"[ \t]*", file.lines[place[0]])[0], ","
    return None


def signature(text, random):
    """Adds a parameter with a default to a function and passes it where the file calls it: (text, what changed)."""
    file = source(text)
    in_strings = {id(n) for s in ast.walk(file.tree) if isinstance(s, ast.JoinedStr) for n in ast.walk(s)}
    calls = {}
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Call) and id(node) not in in_strings:
            name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
            calls.setdefault(name, []).append(node)
    found = [f for f, _ in candidates(file) if 1 <= len(calls.get(f.name, [])) <= 20
             and not (f.args.vararg or f.args.kwarg or f.args.kwonlyargs)]
    random.shuffle(found)
    names = [p for p in PARAMETERS if p[0] not in file.names]
    for function in found if names else []:
        name, default, passed = random.choice(names)
        openings = [(file.tokens[i + 2].start, default) for i, t in enumerate(file.tokens[:-2])
                    if t.string == "def" and file.tokens[i + 1].string == function.name]
        for call in calls[function.name]:
            line, at = file.place(call.func.end_lineno, call.func.end_col_offset)
            openings.append(((line + 1, at), passed))
        places = [(argument_place(file, opening), value) for opening, value in openings]
        if all(place for place, _ in places):
            made = file.replace([(p[0], "", f"{p[1]}{name}={value}{p[2]}") for p, value in places])
            if made:
                return made, f"add the parameter {name} to {function.name} and pass it in every call"
    return None
