"""Random texts that the grammar allows, whether or not they mean anything, and their mutations.

A text is drawn as tokens and then laid out: spaces, line ends and comments come wherever the language lets them.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

NAMES = ["a", "b", "conv", "x3", "k_1", "relu", "tensor", "가중치", "N"]
NUMBERS = ["0", "7", "5M", "2.5K", "60_192_808", "0.5", ".5", "3.", "1e-3", "12G"]
STRINGS = ['"same"', '""', '"a \\"b\\" \\\\"', '"한글 # no comment"']
LABELS = ['"layer{i+1}.{j}"', '"conv"', '"{xs[0] * (i - 1)}"']
BREAK = "\n"  # ends a statement

Tokens = list[str]


@st.composite
def names(draw: DrawFn) -> Tokens:
    return [draw(st.sampled_from(NAMES))]


@st.composite
def expressions(draw: DrawFn, depth: int = 3) -> Tokens:
    atoms: list[Callable[[], Tokens]] = [
        lambda: [draw(st.sampled_from(NUMBERS))],
        lambda: [draw(st.sampled_from(["5x3", "1x1"]))],
        lambda: [draw(st.sampled_from(STRINGS))],
        lambda: [draw(st.sampled_from(["true", "false", "none", "in"]))],
        lambda: draw(names()),
        lambda: [draw(st.sampled_from(["in", "logits"])), ".", "channels"],
    ]
    if depth <= 0:
        return draw(st.sampled_from(atoms))()
    inner = expressions(depth - 1)

    def operand() -> Tokens:
        return ["(", *draw(inner), ")"] if draw(st.booleans()) else draw(expressions(0))

    def operators(signs: list[str]) -> Tokens:
        out = operand()
        for _ in range(draw(st.integers(1, 3))):
            out += [*draw(st.sampled_from(signs)).split(), *operand()]
        return out

    deep: list[Callable[[], Tokens]] = [
        lambda: ["(", *draw(inner), ")"],
        lambda: ["[", *draw(items(inner)), "]"],
        lambda: ["(", *draw(inner), ",", *draw(items(inner)), ")"],
        lambda: ["(", ")"],
        lambda: [draw(st.sampled_from(["-", "+"])), *operand()],
        lambda: ["(", "not", *operand(), ")"],
        lambda: [*operand(), "**", *operand()],
        lambda: operators(["+", "-"]),
        lambda: operators(["*", "/", "//", "%"]),
        lambda: ["(", *operators(["==", "!=", "<", "<=", ">", ">=", "in", "not in"]), ")"],
        lambda: ["(", *operators(["and"]), ")"],
        lambda: ["(", *operators(["or"]), ")"],
        lambda: ["(", *operand(), "if", *operand(), "else", *draw(inner), ")"],
        lambda: [*draw(names()), "[", *draw(inner), "]"],
        lambda: draw(calls(depth - 1)),
    ]
    return draw(st.sampled_from([*atoms, *deep, *deep]))()


@st.composite
def items(draw: DrawFn, item: st.SearchStrategy[Tokens], least: int = 0) -> Tokens:
    parts = draw(st.lists(item, min_size=least, max_size=4))
    out: Tokens = []
    for part in parts:
        out += [*part, ","]
    return out if draw(st.booleans()) else out[:-1]


@st.composite
def arguments(draw: DrawFn, depth: int) -> Tokens:
    argument = st.tuples(st.booleans(), names(), expressions(depth)).map(
        lambda t: [*t[1], "=", *t[2]] if t[0] else t[2],
    )
    return ["(", *draw(items(argument)), ")"]


@st.composite
def calls(draw: DrawFn, depth: int = 1) -> Tokens:
    return [*draw(names()), *draw(arguments(depth))]


def braced(inner: Tokens, separator: bool) -> Tokens:
    """`{ ... }` over several lines or on one."""
    return ["{", BREAK, *inner, BREAK, "}"] if separator else ["{", *inner, "}"]


@st.composite
def bodies(draw: DrawFn, depth: int) -> Tokens:
    count = draw(st.integers(0, 3)) if depth > 0 else draw(st.integers(0, 1))
    inner: Tokens = []
    for i in range(count):
        inner += ([BREAK] if i else []) + draw(statements(depth - 1))
    return braced(inner, draw(st.booleans()) or count > 1)


@st.composite
def shapes(draw: DrawFn) -> Tokens:
    return ["[", *draw(items(expressions(1), 1)), "]"]


@st.composite
def labels(draw: DrawFn) -> Tokens:
    return [draw(st.sampled_from([*NAMES, *LABELS]))]


@st.composite
def merges(draw: DrawFn, depth: int) -> Tokens:
    out = draw(names()) + (draw(arguments(0)) if draw(st.booleans()) else [])
    several = draw(st.booleans())
    inner: Tokens = []
    for i in range(draw(st.integers(1, 3))):
        if i and several:
            inner.append(BREAK)
        inner += ["|", *draw(statements(depth - 1))]
        if several and draw(st.integers(0, 3)) == 0:
            inner += [BREAK, *draw(statements(depth - 1))]
    return out + braced(inner, several)


@st.composite
def steps(draw: DrawFn, depth: int) -> Tokens:
    actions = [names(), calls(1), st.just(["in"])]
    if depth > 0:
        actions += [merges(depth), bodies(depth - 1)]
    out = list(draw(st.one_of(actions)))
    if draw(st.integers(0, 4)) == 0:
        times = st.sampled_from(
            [["3"], ["n"], ["(", "n", "-", "1", ")"], ["xs", "[", "i", "]"], ["in", ".", "channels"]]
        )
        out += ["*", *draw(times)]
    if draw(st.integers(0, 3)) == 0:
        out += ["as", *draw(labels())]
    if draw(st.integers(0, 5)) == 0:
        out += [":", *draw(shapes())]
    return out


@st.composite
def chains(draw: DrawFn, depth: int) -> Tokens:
    out = draw(steps(depth))
    for _ in range(draw(st.integers(0, 3))):
        out += ["->", *draw(steps(depth - 1))]
    return out


@st.composite
def values(draw: DrawFn, depth: int = 1) -> Tokens:
    kind = draw(st.integers(0, 5))
    if kind == 0:
        parts = draw(st.lists(st.one_of(names(), calls(1), st.just(["in"]), merges(1)), min_size=2, max_size=3))
        return [token for i, part in enumerate(parts) for token in (["->", *part] if i else part)]
    if kind == 1:
        return draw(merges(1))
    if kind == 2 and depth > 0:
        return draw(entries(depth - 1))
    return draw(expressions(2))


@st.composite
def listed(draw: DrawFn, parts: list[Tokens]) -> Tokens:
    """Entries or conditions in braces, separated by line ends or commas."""
    lines = draw(st.booleans())
    out: Tokens = []
    for i, part in enumerate(parts):
        if i:
            out += draw(st.sampled_from([[BREAK], [","], [",", BREAK]])) if lines else [","]
        out += part
    if parts and draw(st.integers(0, 3)) == 0:
        out.append(",")
    return braced(out, lines)


@st.composite
def entries(draw: DrawFn, depth: int = 1) -> Tokens:
    entry = st.tuples(names(), values(depth)).map(lambda t: [*t[0], "=", *t[1]])
    return draw(listed(draw(st.lists(entry, max_size=3))))


@st.composite
def targets(draw: DrawFn, depth: int = 1) -> Tokens:
    out: Tokens = []
    for i in range(draw(st.integers(1, 2))):
        nested = depth > 0 and draw(st.booleans())
        part = ["(", *draw(targets(depth - 1)), ")"] if nested else draw(names())
        out += ([","] if i else []) + part
    return out


@st.composite
def ifs(draw: DrawFn, depth: int) -> Tokens:
    out = ["if", *draw(expressions(2)), *draw(bodies(depth))]
    if draw(st.booleans()):
        out += ["else", *draw(ifs(depth - 1) if depth > 0 and draw(st.booleans()) else bodies(depth))]
    return out


@st.composite
def sections(draw: DrawFn) -> Tokens:
    kind = draw(st.sampled_from(["train", "predict", "meta", "check", "labels"]))
    if kind == "check":
        return ["check", *draw(listed(draw(st.lists(expressions(2), max_size=3))))]
    if kind == "labels":
        return ["labels", *draw(expressions(1))]
    return [kind, *draw(entries())]


@st.composite
def outputs(draw: DrawFn, depth: int) -> Tokens:
    item = st.tuples(names(), st.booleans(), chains(depth)).map(lambda t: [*t[0], "=", *t[2]] if t[1] else t[0])
    parts = draw(st.lists(item, min_size=1, max_size=2))
    return ["output", *[token for i, part in enumerate(parts) for token in ([",", *part] if i else part)]]


@st.composite
def statements(draw: DrawFn, depth: int) -> Tokens:
    plain: list[Callable[[], Tokens]] = [
        lambda: draw(chains(depth)),
        lambda: draw(chains(depth)),
        lambda: ["let", *draw(names()), "=", *draw(expressions())],
        lambda: ["shared", *draw(names()), "=", *draw(st.one_of(names(), calls(1)))],
        lambda: draw(sections()),
        lambda: ["input", *draw(names()), ":", *draw(shapes()), *(draw(entries()) if draw(st.booleans()) else [])],
        lambda: draw(outputs(depth)),
        lambda: ["aux", *draw(names()), *(draw(arguments(0)) if draw(st.booleans()) else []), "=", *draw(chains(0))],
    ]
    if depth > 0:
        plain += [
            lambda: ["group", *draw(labels()), *draw(bodies(depth))],
            lambda: ["for", *draw(targets()), "in", *draw(expressions(2)), *draw(bodies(depth))],
            lambda: draw(ifs(depth)),
        ]
    return draw(st.sampled_from(plain))()


@st.composite
def parameters(draw: DrawFn) -> Tokens:
    parameter = st.one_of(
        names(),
        names().map(lambda n: [*n, ":", "tensor"]),
        st.tuples(names(), expressions(1)).map(lambda t: [*t[0], "=", *t[1]]),
    )
    return ["(", *draw(items(parameter)), ")"]


@st.composite
def top_items(draw: DrawFn, depth: int) -> Tokens:
    kind = draw(st.sampled_from(["import", "block", "net", "variant"]))
    if kind == "import":
        origin = draw(st.sampled_from([['"blocks.cnn"'], ["std", ".", "resnet"], ["std"]]))
        parts = draw(st.lists(st.tuples(names(), st.booleans(), names()), min_size=1, max_size=2))
        chosen: Tokens = []
        for i, (name, renamed, alias) in enumerate(parts):
            chosen += ([","] if i else []) + ([*name, "as", *alias] if renamed else name)
        return ["from", *origin, "import", *chosen]
    if kind == "variant":
        out = ["net", *draw(names()), "=", *draw(st.one_of(names(), calls(1)))]
        if draw(st.booleans()):
            parts = draw(st.lists(sections(), max_size=2))
            inner = [token for i, part in enumerate(parts) for token in ([BREAK, *part] if i else part)]
            out += braced(inner, draw(st.booleans()) or len(parts) > 1)
        return out
    return [kind, *draw(names()), *(draw(parameters()) if draw(st.booleans()) else []), *draw(bodies(depth))]


@st.composite
def files(draw: DrawFn, depth: int = 2) -> Tokens:
    """The tokens of a file."""
    out: Tokens = ["cnn", "1"]
    for _ in range(draw(st.integers(0, 3))):
        out += [BREAK, *draw(top_items(depth))]
    return out


def lay_out(tokens: Tokens, chance: random.Random, comments: bool = True) -> str:
    """Tokens as a text, with spaces, line ends and comments by chance."""
    out = ""
    brackets: list[str] = []
    previous = ""
    for token in [*tokens, BREAK]:
        inside = bool(brackets) and brackets[-1] != "{"
        if token == BREAK:
            out += _line_end(chance, comments)
        elif previous == BREAK or not previous:
            out += " " * chance.choice([0, 0, 2, 5])
        elif (inside or "->" in (token, previous) or token == "else") and chance.random() < 0.12:
            out += _line_end(chance, comments)
        else:
            words = _is_word(previous[-1]) and _is_word(token[0])
            numbers = previous[0] in ".0123456789" and (token[0] == "." or _is_word(token[0]))
            out += " " * max(chance.choice([0, 1, 1, 2]), int(words or numbers or _merges(previous, token)))
        out += token if token != BREAK else ""
        if token in ("(", "[", "{"):
            brackets.append(token)
        elif token in (")", "]", "}"):
            brackets.pop()
        previous = token
    return out


def _line_end(chance: random.Random, comments: bool) -> str:
    out = " " * chance.choice([0, 0, 1, 3])
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        if comments and chance.random() < 0.2:
            out += chance.choice(["# a comment", "#", "#    한글 -> { ( ", '# "'])
        out += "\n" + " " * chance.choice([0, 1, 4])
    return out


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _merges(left: str, right: str) -> bool:
    """Whether two signs would be read as one without a space."""
    return (left + right)[:2] in ("**", "//", "->", "==", "!=", "<=", ">=") or left[-1] + right[0] in ("**", "//", "==")


def mutate(text: str, chance: random.Random) -> str:
    """A text with a few characters changed."""
    pieces = [
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "->",
        "|",
        ",",
        ":",
        "=",
        " ",
        "\n",
        "\t",
        '"',
        "'",
        "#",
        ";",
        "//",
        "→",
        "“",
    ]
    pieces += [
        "in",
        "if",
        "else",
        "elif",
        "for",
        "net",
        "let",
        "x",
        "3",
        "5x3",
        "as",
        "*",
        "\x00",
        "é",
        "\\",
        "True",
        "@",
    ]
    chars = list(text)
    for _ in range(chance.choice([1, 1, 2, 4, 12])):
        at = chance.randrange(len(chars) + 1)
        if chance.random() < 0.5:
            chars[at:at] = chance.choice(pieces)
        else:
            del chars[at : at + chance.choice([1, 1, 3, 10])]
    return "".join(chars)
