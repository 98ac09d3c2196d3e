"""Text to tree: every rule of the grammar, where lines end, spans, limits, and that no text breaks the parser."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnlang import grammar
from cnnlang.diagnostics import Diagnostic
from cnnlang.edits import apply_edits
from cnnlang.errors import FindingsError
from cnnlang.source import MAX_FILE_BYTES, Source
from cnnlang.syntax import allowed, comments, decode, parse, parse_expression, read_source, tree
from cnnlang.syntax.walk import walk
from tests.syntax_texts import files, lay_out, mutate

# The machine that runs the tests may be busy.
LAW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def sketch(part: object) -> str:
    """A tree in one line, without spans and what is left out; a step that is its action alone as that."""
    match part:
        case tree.Name():
            return part.name
        case tree.Constant():
            return repr(part.value)
        case tree.Argument():
            return f"{part.name.name}={sketch(part.value)}" if part.name else sketch(part.value)
        case tree.Step(times=None, label=None, shape=None):
            return sketch(part.action)
        case tree.Tree():
            values = [getattr(part, f.name) for f in fields(part) if f.compare]
            while values and values[-1] in (None, (), False):
                values.pop()
            return f"{type(part).__name__}({', '.join(map(sketch, values))})"
        case tuple():
            return f"[{', '.join(map(sketch, part))}]"
        case _:
            return str(part)


def parsed(text: str) -> tree.File:
    file, findings = parse(Source("test", text))
    assert findings == []
    assert file is not None
    return file


def body(text: str) -> tuple[tree.Statement, ...]:
    net = parsed(f"cnn 1\nnet A {{\n{text}\n}}\n").items[0]
    assert isinstance(net, tree.Net)
    return net.body


EXPRESSIONS = [
    ("3", "3"),
    ("5x3", "Pair(5, 3)"),
    ("true", "True"),
    ("none", "None"),
    ('"a \\"b\\" \\\\"', "'a \"b\" \\\\'"),
    ("a", "a"),
    ("가중치", "가중치"),
    ("in", "In()"),
    ("in.channels", "Attribute(In(), channels)"),
    ("logits.height", "Attribute(logits, height)"),
    ("xs[0][i + 1]", "Index(Index(xs, 0), Arithmetic(i, [[+, 1]]))"),
    ("in[0]", "Index(In(), 0)"),
    ("f()", "Call(f)"),
    ("f(1, k=2, g(3))", "Call(f, [1, k=2, Call(g, [3])])"),
    ("[]", "ListExpr()"),
    ("[1, [2, 3],]", "ListExpr([1, ListExpr([2, 3])])"),
    ("()", "TupleExpr()"),
    ("(1)", "1"),
    ("(1,)", "TupleExpr([1])"),
    ("(1, 2,)", "TupleExpr([1, 2])"),
    ("-x", "Unary(-, x)"),
    ("+-x", "Unary(+, Unary(-, x))"),
    ("-2**2", "Unary(-, Power(2, 2))"),
    ("2**-1", "Power(2, Unary(-, 1))"),
    ("2**3**4", "Power(2, Power(3, 4))"),
    ("a + b*c - d", "Arithmetic(a, [[+, Arithmetic(b, [[*, c]])], [-, d]])"),
    ("a * b / c // d % e", "Arithmetic(a, [[*, b], [/, c], [//, d], [%, e]])"),
    ("(a + b) * c", "Arithmetic(Arithmetic(a, [[+, b]]), [[*, c]])"),
    ("1 < a <= b != c", "Compare(1, [[<, a], [<=, b], [!=, c]])"),
    ("a in b not in c", "Compare(a, [[in, b], [not in, c]])"),
    ("not a == b", "Unary(not, Compare(a, [[==, b]]))"),
    ("a and not b or c and d", "Logic(or, [Logic(and, [a, Unary(not, b)]), Logic(and, [c, d])])"),
    ("a if c else b if d else e", "Conditional(a, c, Conditional(b, d, e))"),
    ("(a if c else b) + 1", "Arithmetic(Conditional(a, c, b), [[+, 1]])"),
]


@pytest.mark.parametrize(("text", "expected"), EXPRESSIONS, ids=[text for text, _ in EXPRESSIONS])
def test_expressions(text: str, expected: str) -> None:
    assert sketch(parse_expression(text)) == expected
    (let,) = body(f"let v = {text}")
    assert sketch(let) == f"Let(v, {expected})"


STATEMENTS = [
    ("relu", "Chain([Call(relu)])"),
    ("conv(3, 5x3, pad=1)", "Chain([Call(conv, [3, Pair(5, 3), pad=1])])"),
    ("c3 -> relu -> in", "Chain([Call(c3), Call(relu), In()])"),
    ("{ bn -> relu } * 3", "Chain([Step(Braces([Chain([Call(bn), Call(relu)])]), 3)])"),
    ("{ }", "Chain([Braces()])"),
    ("x * n", "Chain([Step(Call(x), n)])"),
    ("x * (n - 1)", "Chain([Step(Call(x), Arithmetic(n, [[-, 1]]))])"),
    ("x * xs[i]", "Chain([Step(Call(x), Index(xs, i))])"),
    ("x * in.channels", "Chain([Step(Call(x), Attribute(In(), channels))])"),
    ("x as y", "Chain([Step(Call(x), None, y)])"),
    ('x as "a{i + 1}.{j}"', "Chain([Step(Call(x), None, Template([a, Arithmetic(i, [[+, 1]]), ., j]))])"),
    ('x as "\\"{i}\\\\"', 'Chain([Step(Call(x), None, Template([", i, \\]))])'),
    ("x : [N, 16*H]", "Chain([Step(Call(x), None, None, [N, Arithmetic(16, [[*, H]])])])"),
    ("x * 2 as y : [N, 3] -> z", "Chain([Step(Call(x), 2, y, [N, 3]), Call(z)])"),
    ("add { | in | relu }", "Chain([Merge(add, [], [Branch([Chain([In()])]), Branch([Chain([Call(relu)])])])])"),
    (
        "concat(1) {\n| if a { b }\n| let c = 1\nd\n}",
        "Chain([Merge(concat, [1], [Branch([If(a, [Chain([Call(b)])])]), Branch([Let(c, 1), Chain([Call(d)])])])])",
    ),
    ("input image: [N, 3]", "Input(image, [N, 3])"),
    (
        "input x: [N, H] { scale = 1/255, mean = [0] }",
        "Input(x, [N, H], [Entry(scale, Arithmetic(1, [[/, 255]])), Entry(mean, ListExpr([0]))])",
    ),
    ('labels ["a"]', "Labels(ListExpr(['a']))"),
    ('labels "a.txt"', "Labels('a.txt')"),
    ("output a", "Output([OutputItem(a)])"),
    ("output a, b = c -> d", "Output([OutputItem(a), OutputItem(b, Chain([Call(c), Call(d)]))])"),
    ("aux h = c2 -> d", "Aux(h, [], Chain([Call(c2), Call(d)]))"),
    ("aux h(weight=0.3) = c2", "Aux(h, [weight=0.3], Chain([Call(c2)]))"),
    ("train { }", "Section(train)"),
    ("train { loss = mse, lr = 1 }", "Section(train, [Entry(loss, mse), Entry(lr, 1)])"),
    ("meta {\n  a = 1,\n  b = 2\n}", "Section(meta, [Entry(a, 1), Entry(b, 2)])"),
    (
        "train { augment = shift(2) -> hflip }",
        "Section(train, [Entry(augment, Pipeline(Chain([Call(shift, [2]), Call(hflip)])))])",
    ),
    (
        "predict { tta = mean { | in | ten_crop(224) } }",
        "Section(predict, [Entry(tta, Pipeline(Chain([Merge(mean, [], [Branch([Chain([In()])]), "
        "Branch([Chain([Call(ten_crop, [224])])])])])))])",
    ),
    (
        "train { loss = { face = cross_entropy, box = 0.5*mse } }",
        "Section(train, [Entry(loss, DictExpr([Entry(face, cross_entropy), Entry(box, Arithmetic(0.5, [[*, "
        "mse]]))]))])",
    ),
    ("check { a == 1, b < 2\n c }", "Check([Compare(a, [[==, 1]]), Compare(b, [[<, 2]]), c])"),
    ("group features { x }", "Group(features, [Chain([Call(x)])])"),
    ('group "layer{i}" { }', "Group(Template([layer, i]))"),
    ("shared enc = Encoder(128)", "Shared(enc, Call(Encoder, [128]))"),
    ("shared enc = relu", "Shared(enc, Call(relu))"),
    ("for x in xs { relu }", "For([x], xs, [Chain([Call(relu)])])"),
    ("for i, (w, n) in enumerate(xs) { }", "For([i, TupleTarget([w, n])], Call(enumerate, [xs]))"),
    ("for x in xs if c else ys { }", "For([x], Conditional(xs, c, ys))"),
    ("if a { b }", "If(a, [Chain([Call(b)])])"),
    ("if a { } else { }", "If(a)"),
    (
        "if a { b } else if c { d } else { e }",
        "If(a, [Chain([Call(b)])], [If(c, [Chain([Call(d)])], [Chain([Call(e)])])])",
    ),
    ("if a in b { c }", "If(Compare(a, [[in, b]]), [Chain([Call(c)])])"),
]


@pytest.mark.parametrize(("text", "expected"), STATEMENTS, ids=[text for text, _ in STATEMENTS])
def test_statements(text: str, expected: str) -> None:
    (statement,) = body(text)
    assert sketch(statement) == expected


def test_an_empty_else_is_not_the_absence_of_one() -> None:
    with_else, without = body("if a { } else { }\nif a { }")
    assert isinstance(with_else, tree.If)
    assert isinstance(without, tree.If)
    assert with_else.otherwise == ()
    assert without.otherwise is None


ITEMS = [
    ('from "b.cnn" import a, b as c', "Import('b.cnn', [ImportName(a), ImportName(b, c)])"),
    ("from std.resnet import x", "Import(std.resnet, [ImportName(x)])"),
    ("block f { }", "Block(f)"),
    ("block f() { x }", "Block(f, [], [Chain([Call(x)])])"),
    ("block f(c, k=3, s: tensor) { }", "Block(f, [Parameter(c), Parameter(k, 3), Parameter(s, None, True)])"),
    ("net A(depths,) { x }", "Net(A, [Parameter(depths)], [Chain([Call(x)])])"),
    ("net B = A", "Variant(B, Call(A))"),
    ("net B = A([1]) { check { x } }", "Variant(B, Call(A, [ListExpr([1])]), [Check([x])])"),
    ("net B = A {\nmeta { }\nlabels xs\n}", "Variant(B, Call(A), [Section(meta), Labels(xs)])"),
    (
        "block tensor(tensor: tensor) { tensor }",
        "Block(tensor, [Parameter(tensor, None, True)], [Chain([Call(tensor)])])",
    ),
]


@pytest.mark.parametrize(("text", "expected"), ITEMS, ids=[text for text, _ in ITEMS])
def test_items(text: str, expected: str) -> None:
    file = parsed(f"cnn 1\n{text}\n")
    assert [sketch(item) for item in file.items] == [expected]


def test_every_node_is_made() -> None:
    texts = [f"cnn 1\nnet A {{\n{text}\n}}" for text, _ in STATEMENTS] + [f"cnn 1\n{text}" for text, _ in ITEMS]
    texts += [f"cnn 1\nnet A {{ let v = {text} }}" for text, _ in EXPRESSIONS]
    made = {type(node) for text in texts for node in walk(parsed(text))}
    nodes = {c for c in vars(tree).values() if isinstance(c, type) and issubclass(c, tree.Tree)}
    assert made == nodes - {tree.Tree}


NUMBERS = [
    ("0", 0),
    ("007", 7),
    ("60_192_808", 60_192_808),
    ("5M", 5_000_000),
    ("4K", 4_000),
    ("12G", 12_000_000_000),
    ("1.5M", 1_500_000),
    ("25.557032M", 25_557_032),
    ("0.0015K", 1.5),
    ("1e-3", 1e-3),
    ("1E3", 1000.0),
    ("2.5e1", 25.0),
    (".5", 0.5),
    ("3.", 3.0),
    ("9_223_372_036_854_775_807", 2**63 - 1),
]


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_numbers(text: str, value: float) -> None:
    constant = parse_expression(text)
    assert isinstance(constant, tree.Constant)
    assert (constant.value, type(constant.value), constant.text) == (value, type(value), text)


# Texts that say the same.
SAME = [
    ("a ->\n  b", "a -> b"),
    ("a\n  -> b", "a -> b"),
    ("a\n\n  # why\n\n  -> b", "a -> b"),
    ("a ->  # why\n # more\n b", "a -> b"),
    ("f(\n1,\n\n2\n)", "f(1, 2)"),
    ("f(1, # one\n2)", "f(1, 2)"),
    ("let x = [\n1,\n2,\n]", "let x = [1, 2]"),
    ("if a { b }\nelse { c }", "if a { b } else { c }"),
    ("if a { b }\n\n# why\nelse if c { d }", "if a { b } else if c { d }"),
    ("if a {\nb\n}", "if a { b }"),
    ("add {\n| a\n| b\n}", "add { | a | b }"),
    ("add {\n|\na\n|\n\nb }", "add { | a | b }"),
    ("train {\nx = 1\n\ny = 2\n}", "train { x = 1, y = 2 }"),
    ("train { x = 1, y = 2, }", "train {\nx = 1,\ny = 2,\n}"),
    ("train { x = a -> b }", "train { x = a\n-> b\n}"),
    ("check { (a\n== 1) }", "check { a == 1 }"),
    ("\ta\t->\tb\t", "a -> b"),
    ("relu  # allow W0504", "relu"),
    ("a  # not -> an arrow", "a"),
    ('f("# no comment")', 'f( "# no comment" )'),
    ("let a=1", "let a = 1"),
    ("a:[N,3]", "a : [N, 3]"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_where_lines_end(one: str, other: str) -> None:
    assert body(one) == body(other)


def test_a_line_end_ends_a_statement() -> None:
    assert len(body("a\nb\n\n\nc # d\n")) == 3


def test_the_file_may_begin_and_end_with_anything_empty() -> None:
    assert parsed("\n# about\n\ncnn 1 # one\n\nnet A { }\n\n# end") == parsed("cnn 1\nnet A { }")
    assert parsed("cnn 1").items == ()


def test_spans() -> None:
    text = "cnn 1\nnet A(k=3) {\n  x -> f((1 + 2)*k) * 2 as y : [N, 3]\n}"
    file = parsed(text)
    spans = {sketch(node): node.span.text for node in walk(file) if not isinstance(node, tree.Net | tree.File)}
    assert spans["Arithmetic(1, [[+, 2]])"] == "1 + 2"
    assert spans["Arithmetic(Arithmetic(1, [[+, 2]]), [[*, k]])"] == "(1 + 2)*k"
    step = next(node for node in walk(file) if isinstance(node, tree.Step) and node.times)
    assert step.span.text == "f((1 + 2)*k) * 2 as y : [N, 3]"
    assert step.action.span.text == "f((1 + 2)*k)"
    chain = next(node for node in walk(file) if isinstance(node, tree.Chain))
    assert chain.span.text == "x -> f((1 + 2)*k) * 2 as y : [N, 3]"
    parameter = next(node for node in walk(file) if isinstance(node, tree.Parameter))
    assert (parameter.span.text, parameter.span.line, parameter.span.column) == ("k=3", 2, 7)
    assert file.items[0].span.text == text[6:]


def test_spans_in_labels_and_bars() -> None:
    (chain,) = body('add { | a as "l{i+1}" | b }')
    assert isinstance(chain, tree.Chain)
    merge = chain.steps[0].action
    assert isinstance(merge, tree.Merge)
    assert [branch.bar.text for branch in merge.branches] == ["|", "|"]
    assert [branch.span.text for branch in merge.branches] == ['| a as "l{i+1}"', "| b"]
    assert [node.span.text for node in walk(merge) if isinstance(node, tree.Arithmetic)] == ["i+1"]


def test_equality_ignores_places_and_how_a_number_is_written() -> None:
    assert body("f( 5M )") == body("f(5_000_000)")
    assert body("f()") != body("f(1)")


# --- the tables -------------------------------------------------------------------------------------------------------


def test_the_shipped_table_is_the_grammars() -> None:
    made = grammar.generate(grammar.GRAMMAR.read_text(encoding="utf-8"), strict=True)
    assert made == grammar.stored()


def test_another_grammar_is_not_read_from_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "cnn.lark"
    text = grammar.GRAMMAR.read_text(encoding="utf-8")
    other.write_text(text.replace('"shared"', '"common"'), encoding="utf-8")
    monkeypatch.setattr(grammar, "GRAMMAR", other)
    assert "common" in grammar.load.__wrapped__().texts


def test_a_missing_or_broken_table_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = grammar.load()
    for content in (None, "", "{}", "[1, 2]"):
        table = tmp_path / "cnn.table"
        if content is not None:
            table.write_text(content, encoding="utf-8")
        monkeypatch.setattr(grammar, "TABLE", table)
        assert grammar.load.__wrapped__() == expected


def test_writing_the_table(tmp_path: Path) -> None:
    grammar.write(tmp_path / "cnn.table")
    assert (tmp_path / "cnn.table").read_bytes() == grammar.TABLE.read_bytes()


def test_parsing_does_not_import_lark() -> None:
    program = (
        "import sys; from cnnlang.source import Source; from cnnlang.syntax import parse; "
        "parse(Source('a', 'cnn 1')); heavy = {'lark', 'numpy', 'numba', 'torch', 'rich', 'difflib', 'wcwidth'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- comments ---------------------------------------------------------------------------------------------------------


def test_comments() -> None:
    source = Source("test", 'cnn 1 # one\nnet A { f("# no") } #two\n#')
    assert [(c.line, c.column, c.text) for c in comments(source)] == [(1, 7, "# one"), (2, 21, "#two"), (3, 1, "#")]


def test_allowed() -> None:
    lines = ["cnn 1", "a # allow W0504", "b # allow W0501, W0502 for now", 'f("# allow W0503")', "c # allowed W0504"]
    assert allowed(Source("test", "\n".join(lines))) == {2: {"W0504"}, 3: {"W0501", "W0502"}}


# --- files ------------------------------------------------------------------------------------------------------------


def test_reading_a_file(tmp_path: Path) -> None:
    path = tmp_path / "그물.cnn"
    path.write_bytes(b"\xef\xbb\xbfcnn 1\r\n# \xea\xb0\x80\r# x\n")
    source = read_source(path)
    assert (source.text, source.name, source.path) == ("cnn 1\n# 가\n# x\n", str(path), path.resolve())
    assert read_source(path, "shown").name == "shown"


UNREADABLE = [
    (b"cnn 1\r\n# \xea\xb0\x80 \xff", "E0104", 2, 5, "this byte (0xff) is not UTF-8"),
    (b"\xff\xfec\0n\0n\0", "E0104", 1, 1, "this byte (0xff) is not UTF-8"),
    (b"cnn 1\nnet\0A", "E0104", 2, 4, "a text has no NUL characters"),
    (b"# \xed\xa0\x80", "E0104", 1, 3, "this byte (0xed) is not UTF-8"),
]


@pytest.mark.parametrize(("data", "code", "line", "column", "message"), UNREADABLE)
def test_bytes_that_are_no_text(data: bytes, code: str, line: int, column: int, message: str) -> None:
    with pytest.raises(FindingsError) as caught:
        decode(data, "a.cnn")
    (found,) = caught.value.diagnostics
    assert found.span is not None
    assert (found.code, found.span.line, found.span.column, found.message) == (code, line, column, message)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    large = tmp_path / "large.cnn"
    large.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    fits = tmp_path / "fits.cnn"
    fits.write_bytes(b"#" * MAX_FILE_BYTES)
    assert len(read_source(fits).text) == MAX_FILE_BYTES
    for path, code, message in (
        (large, "E0105", "a file may have 256 KiB; this one is larger"),
        (tmp_path / "missing.cnn", "E0104", "there is no such file"),
        (tmp_path, "E0104", "this is a folder"),
        (tmp_path / "a\0b", "E0104", "there is no such file"),
    ):
        with pytest.raises(FindingsError) as caught:
            read_source(path)
        (found,) = caught.value.diagnostics
        assert (found.code, found.message, found.file_name) == (code, message, str(path))


def test_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "in.cnn"
    path.write_bytes(b"cnn 1\r\n")
    with path.open(encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        source = read_source("-")
    assert (source.name, source.text, source.path) == ("<stdin>", "cnn 1\n", None)


# --- limits -----------------------------------------------------------------------------------------------------------

DEEP = {
    "parentheses": lambda n: f"let v = {'(' * n}1{')' * n}",
    "lists": lambda n: f"let v = {'[' * n}1{']' * n}",
    "calls": lambda n: f"f({'g(' * (n - 1)}1{')' * n}",
    "braces": lambda n: f"{'{ ' * (n - 1)}x{' }' * (n - 1)}",
    "minus": lambda n: f"let v = {'- ' * n}1",
    "not": lambda n: f"let v = {'not ' * n}a",
    "power": lambda n: f"let v = 1{'**2' * n}",
    "index": lambda n: f"let v = a{'[0]' * n}",
    "conditional": lambda n: f"let v = {'a if b else ' * n}1",
    "else if": lambda n: f"if a {{ }}{' else if a { }' * (n - 1)}",
    "targets": lambda n: f"for {'(' * n}a{')' * n} in xs {{ }}",
}


@pytest.mark.parametrize("kind", DEEP)
def test_nesting_is_limited(kind: str) -> None:
    inside = 99 if kind in ("parentheses", "lists", "calls", "targets") else 100  # in the braces of the net
    text = "cnn 1\nnet A {\n%s\n}"
    assert parse(Source("test", text % DEEP[kind](inside)))[1] == []
    for depth in (inside + 1, 500, 10_000):
        file, findings = parse(Source("test", text % DEEP[kind](depth)))
        assert file is None
        assert [(f.code, f.message) for f in findings] == [("E0106", "nested deeper than 100 levels")]


@pytest.mark.parametrize(
    "character", ["(", ")", "[", "}", '"', "'", "\n", " ", "#", "-", "/", "$", "\\", "1", "a ", "\0", "1."]
)
def test_a_large_file_of_one_character_is_quick(character: str) -> None:
    text = character * (MAX_FILE_BYTES // len(character))
    start = time.perf_counter()
    assert 1 <= len(parse(Source("test", text))[1]) <= 20
    assert time.perf_counter() - start < 30


def test_many_errors_late_in_a_large_file_are_quick() -> None:
    text = "cnn 1\nnet A {\n" + "  conv(3, 3)\n" * 16_000 + "  x = = 2\n  conv(3 3)\n  y = conv(3)\n" * 12 + "}"
    start = time.perf_counter()
    assert len(parse(Source("test", text))[1]) == 20
    assert time.perf_counter() - start < 30


# --- laws -------------------------------------------------------------------------------------------------------------


@LAW
@given(files(), st.integers(0, 2**32))
def test_what_the_grammar_allows_parses_however_it_is_laid_out(tokens: list[str], seed: int) -> None:
    chance = random.Random(seed)
    one, other = lay_out(tokens, chance), lay_out(tokens, chance, comments=False)
    assert parsed(one) == parsed(other)


def check_findings(text: str) -> tree.File | None:
    """The law of findings: a tree or 1 to 20 errors, in order, each at a place of the text, with edits that fit."""
    file, findings = parse(Source("test", text))
    assert (file is None) == bool(findings)
    assert len(findings) <= 20
    places = []
    for found in findings:
        assert isinstance(found, Diagnostic)
        assert found.span is not None
        assert 0 <= found.span.start <= found.span.end <= len(text) + 1
        assert "_NL" not in found.message
        assert "$END" not in found.message
        places.append((found.span.start, found.code, found.message))
        for help in found.help:
            apply_edits(text, help.edits)
    assert places == sorted(places, key=lambda place: place[0])
    assert len(set(places)) == len(places)
    return file


@LAW
@given(files(depth=1), st.integers(0, 2**32))
def test_no_mutation_breaks_the_parser(tokens: list[str], seed: int) -> None:
    chance = random.Random(seed)
    check_findings(mutate(lay_out(tokens, chance), chance))


@LAW
@given(st.text(max_size=200))
def test_no_text_breaks_the_parser(text: str) -> None:
    check_findings(text)
    check_findings("cnn 1\nnet A {\n  " + text + "\n}\n")


@LAW
@given(st.binary(max_size=100))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        check_findings(decode(data, "test").text)
    except FindingsError as error:
        codes = [d.code for d in error.diagnostics]
    else:
        codes = ["E0104"]
    assert codes == ["E0104"]


@LAW
@given(st.text(max_size=40))
def test_no_text_breaks_parse_expression(text: str) -> None:
    with contextlib.suppress(FindingsError):
        assert isinstance(parse_expression(text), tree.Tree)
