"""Findings as they are shown: exact texts, and laws that hold for any text."""

from __future__ import annotations

import json
import re
from textwrap import dedent
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlang.diagnostics import Diagnostic, Edit, Help, Label
from cnnlang.edits import apply_edits, choose_cures
from cnnlang.render import FORMATS, count, render, render_concise, render_full, render_github
from cnnlang.render.display import ShownLine, display_width
from cnnlang.render.sarif import render_sarif
from cnnlang.source import Expansion, Source, Span

RESNET = """\
cnn 1
# a comment
block bottleneck(width, stride=1) {
  add {
    | conv_bn(width, 1) -> relu -> conv_bn(4*width, 1)
    | in
  }
  relu
}
net A { bottleneck(64) }
"""


def at(source: Source, text: str, within: Expansion | None = None, nth: int = 0) -> Span:
    start = -1
    for _ in range(nth + 1):
        start = source.text.index(text, start + 1)
    return Span(source, start, start + len(text), within)


def shows(diagnostic: Diagnostic, expected: str) -> None:
    assert render_full(diagnostic) == dedent(expected).strip("\n")


def source(text: str, name: str = "a.cnn") -> Source:
    return Source(name, text)


def test_labels_stand_under_their_lines_and_the_cure_is_shown_as_it_would_be() -> None:
    resnet = source(RESNET, "resnet.cnn")
    call = Expansion("bottleneck(width=64)", at(resnet, "bottleneck(64)"))
    cure = Help("project the second branch", (Edit(at(resnet, "in"), "conv_bn(4*width, 1)"),))
    branches = (
        Label(at(resnet, "conv_bn(width, 1) -> relu -> conv_bn(4*width, 1)"), "[N, 256, 56, 56]"),
        Label(at(resnet, "in"), "[N, 64, 56, 56]"),
    )
    found = Diagnostic(
        "E0203", "`add` needs equal shapes", at(resnet, "add", call), labels=branches, notes=("one\ntwo",), help=(cure,)
    )
    shows(
        found,
        """
        error[E0203]: `add` needs equal shapes
          --> resnet.cnn:4:3
           |
         4 |   add {
           |   ^^^
         5 |     | conv_bn(width, 1) -> relu -> conv_bn(4*width, 1)
           |       ------------------------------------------------ [N, 256, 56, 56]
         6 |     | in
           |       -- [N, 64, 56, 56]
           = while expanding bottleneck(width=64) at resnet.cnn:10:9
           = note: one
                   two
           = help: project the second branch
           |
         6 |     | conv_bn(4*width, 1)
           |       ~~~~~~~~~~~~~~~~~~~
        """,
    )


def test_marks_on_one_line_hang_their_words() -> None:
    text = source("  conv(6, 5) -> relu -> dense(10)\n")
    found = Diagnostic(
        "E0301",
        "m",
        at(text, "relu"),
        label="middle",
        labels=(Label(at(text, "conv"), "left"), Label(at(text, "dense(10)"), "right")),
    )
    shows(
        found,
        """
        error[E0301]: m
          --> a.cnn:1:17
           |
         1 |   conv(6, 5) -> relu -> dense(10)
           |   ----          ^^^^    --------- right
           |   |             |
           |   |             middle
           |   left
        """,
    )


def test_overlapping_marks_get_rows_of_their_own() -> None:
    text = source("conv(6, 5)\n")
    found = Diagnostic("E0305", "m", at(text, "5"), label="five", labels=(Label(at(text, "conv(6, 5)"), "all"),))
    shows(
        found,
        """
        error[E0305]: m
          --> a.cnn:1:9
           |
         1 | conv(6, 5)
           |         ^ five
           | ---------- all
        """,
    )


def test_lines_far_apart_have_dots_between_and_one_line_between_is_shown() -> None:
    text = source("a\nb\nc\nd\ne\nf\n")
    found = Diagnostic("E0306", "m", at(text, "a"), labels=(Label(at(text, "c"), "3"), Label(at(text, "f"), "6")))
    shows(
        found,
        """
        error[E0306]: m
          --> a.cnn:1:1
           |
         1 | a
           | ^
         2 | b
         3 | c
           | - 3
        ...
         6 | f
           | - 6
        """,
    )


def test_a_span_of_several_lines_is_marked_on_its_first() -> None:
    text = source("  add {   \n    | in\n  }\n")
    shows(
        Diagnostic("W0506", "m", Span(text, 2, len(text.text) - 1), label="this"),
        """
        warning[W0506]: m
          --> a.cnn:1:3
           |
         1 |   add {
           |   ^^^^^ this
        """,
    )


def test_hangul_takes_two_columns_and_a_tab_four() -> None:
    text = source('\trelu as "한글" -> x\n')
    assert render_full(Diagnostic("E0301", "m", at(text, "x"))).splitlines()[-2:] == [
        ' 1 |     relu as "한글" -> x',
        "   |                       ^",
    ]


def test_combining_marks_take_none() -> None:
    text = source("e\u0301 x\n")
    assert render_full(Diagnostic("E0301", "m", at(text, "x"))).splitlines()[-1] == "   |   ^"


def test_control_characters_never_reach_the_terminal() -> None:
    text = source("a \x1b[31m \u202e b\n", "f\x1b.cnn")
    found = Diagnostic("E0101", "bad \x1b[0m", at(text, "b"), label="\x07", notes=("\x00",), help=(Help("\x1b]0;x"),))
    assert render_full(found).splitlines() == [
        "error[E0101]: bad \\x1b[0m",
        "  --> f\\x1b.cnn:1:11",
        "   |",
        " 1 | a \\x1b[31m \\u202e b",
        "   |                   ^ \\x07",
        "   = note: \\x00",
        "   = help: \\x1b]0;x",
    ]


def test_end_of_file_and_empty_file() -> None:
    shows(
        Diagnostic("E0102", "m", Span(source("net A {\n"), 8, 8)),
        """
        error[E0102]: m
          --> a.cnn:2:1
           |
         2 |
           | ^
        """,
    )
    shows(
        Diagnostic("E0103", "m", Span(source(""), 0, 0)),
        """
        error[E0103]: m
          --> a.cnn:1:1
           |
         1 |
           | ^
        """,
    )
    shows(
        Diagnostic("E0102", "m", Span(source("net A {"), 7, 7)),
        """
        error[E0102]: m
          --> a.cnn:1:8
           |
         1 | net A {
           |        ^
        """,
    )


def test_a_finding_without_a_place_names_the_file() -> None:
    shows(Diagnostic("E0104", "not UTF-8", file="a.cnn"), "error[E0104]: not UTF-8\n  --> a.cnn")


def test_a_long_line_is_cut_around_each_mark() -> None:
    text = source("conv(3, 3) -> " * 30 + "here -> " + "relu -> " * 30 + "end\n")
    rows = render_full(Diagnostic("E0301", "m", at(text, "here"), labels=(Label(at(text, "end"), "z"),))).splitlines()[
        3:
    ]
    assert len(rows) == 4
    for code, marks, word in zip(rows[::2], rows[1::2], ("here", "end"), strict=True):
        first = re.search(r"[\^-]+", marks)
        assert first
        assert code[first.start() : first.end()] == word
        assert display_width(code) < 115
        assert "..." in code


def test_a_long_line_is_cut_around_what_a_cure_takes_away() -> None:
    text = source("conv(3, 3) -> " * 30 + "here -> softmax -> there\n")
    cure = Help("take it away", (Edit(at(text, " -> softmax"), ""),))
    last = render_full(Diagnostic("W0507", "m", at(text, "softmax"), help=(cure,))).splitlines()[-1]
    assert last.endswith("-> conv(3, 3) -> here -> there")


def test_a_label_in_another_file_stands_under_its_name() -> None:
    here, there = source("net A { b(1) }\n"), source("\nblock b(c) { }\n", "b.cnn")
    shows(
        Diagnostic("E0303", "m", at(here, "b(1)"), labels=(Label(at(there, "c)"), "declared"),)),
        """
        error[E0303]: m
          --> a.cnn:1:9
           |
         1 | net A { b(1) }
           |         ^^^^
          ::: b.cnn:2:9
         2 | block b(c) { }
           |         -- declared
        """,
    )


def test_many_expansions_are_counted() -> None:
    text = source("f(x)\n")
    stack = None
    for i in range(8):
        stack = Expansion(f"f(x={i})", at(text, "f", stack))
    rows = render_full(Diagnostic("E0202", "m", at(text, "x", stack))).splitlines()[5:]
    assert rows == [
        *(f"   = while expanding f(x={i}) at a.cnn:1:1" for i in (7, 6, 5, 4, 3)),
        "   = and 3 more",
    ]


def test_cures_show_what_is_new_what_takes_a_place_and_what_goes() -> None:
    text = source("net A {\n  rlu\n  dead\n  dense(10)\n}\n")
    dead = Span(text, text.text.index("  dead"), text.text.index("  dense"))
    before = at(text, "dense")
    helps = (
        Help("did you mean `relu`?", (Edit(at(text, "rlu"), "relu"),)),
        Help("flatten first", (Edit(Span(text, before.start, before.start), "flatten -> "),)),
        Help("flatten first", (Edit(at(text, "dense(10)"), "flatten -> dense(10)"),)),
        Help("take it away", (Edit(dead, ""),)),
        Help("take its words away", (Edit(at(text, "dead"), ""),)),
        Help("two lines", (Edit(at(text, "rlu"), "relu\n  tanh"),)),
    )
    rows = render_full(Diagnostic("E0301", "m", at(text, "rlu"), help=helps)).splitlines()[5:]
    assert rows == [
        "   = help: did you mean `relu`?",
        "   |",
        " 2 |   relu",
        "   |   ~~~~",
        "   = help: flatten first",
        "   |",
        " 4 |   flatten -> dense(10)",
        "   |   ++++++++++",
        "   = help: flatten first",
        "   |",
        " 4 |   flatten -> dense(10)",
        "   |   ++++++++++",
        "   = help: take it away",
        "   |",
        " 3 -   dead",
        "   = help: take its words away",
        "   |",
        " 3 -   dead",
        "   = help: two lines",
        "   |",
        " 2 |   relu",
        "   |   ~~~~",
        " 3 |   tanh",
        "   |   ~~~~",
    ]


def test_concise_and_counts() -> None:
    text = source("relu\n")
    error, lint = Diagnostic("E0301", "wrong", at(text, "relu")), Diagnostic("W0501", "odd", at(text, "lu"))
    note = Diagnostic("E0314", "fails", at(text, "u"), is_note=True)
    assert render([error, lint, note], "concise").splitlines() == [
        "a.cnn:1:1: error[E0301] wrong",
        "a.cnn:1:3: warning[W0501] odd",
        "a.cnn:1:4: note[E0314] fails",
    ]
    assert render_concise(Diagnostic("E0104", "not UTF-8", file="b.cnn")) == "b.cnn: error[E0104] not UTF-8"
    assert count([error, error, lint, note]) == "2 errors, 1 warning, 1 note"
    assert count([lint]) == "1 warning"
    assert count([]) == "no errors"


def test_github_escapes_what_would_end_a_command() -> None:
    text = source("relu\n", "a,b:c.cnn")
    found = Diagnostic("E0301", "100%", at(text, "relu"), notes=("x\ny",), help=(Help("do"),))
    assert render_github(found) == (
        "::error file=a%2Cb%3Ac.cnn,line=1,endLine=1,col=1,endColumn=5,title=E0301::100%25%0Ax%0Ay%0Ahelp: do"
    )
    assert render_github(Diagnostic("W0501", "m", Span(text, 0, 5))).startswith(
        "::warning file=a%2Cb%3Ac.cnn,line=1,endLine=2,title=W0501::"
    )


def test_json_has_every_field() -> None:
    text = source("한 relu\n")
    stack = Expansion("f(x=1)", at(text, "한"))
    found = Diagnostic(
        "E0301",
        "m",
        at(text, "relu", stack),
        "here",
        (Label(at(text, "한"), "one"),),
        ("note",),
        (Help("do", (Edit(at(text, "relu"), "x"),)),),
    )
    first = {"file": "a.cnn", "line": 1, "column": 1, "end_line": 1, "end_column": 2}
    third = {"file": "a.cnn", "line": 1, "column": 3, "end_line": 1, "end_column": 7}
    assert json.loads(render([found], "json")) == {
        "format_version": 1,
        "diagnostics": [
            {
                "code": "E0301",
                "severity": "error",
                **third,
                "message": "m",
                "label": "here",
                "labels": [{**first, "text": "one"}],
                "notes": ["note"],
                "help": [{"text": "do", "edits": [{**third, "text": "x"}]}],
                "expansions": [{"text": "f(x=1)", **first}],
            }
        ],
    }
    assert json.loads(render([Diagnostic("E0104", "m", file="b.cnn")], "json"))["diagnostics"][0]["line"] is None


def test_sarif_points_at_the_same_place_and_explains_its_rules() -> None:
    text = source("한 relu\n", "dir/가 나.cnn")
    cure = Help("do", (Edit(at(text, "relu"), "x"),))
    log = json.loads(
        render_sarif([Diagnostic("E0301", "m", at(text, "relu"), help=(cure,)), Diagnostic("E0104", "n", file="b.cnn")])
    )
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    rules = run["tool"]["driver"]["rules"]
    assert [r["id"] for r in rules] == ["E0301", "E0104"]
    assert all(r["help"]["text"].startswith(f"# {r['id']}: {r['shortDescription']['text']}\n") for r in rules)
    first, second = run["results"]
    place = first["locations"][0]["physicalLocation"]
    assert unquote(place["artifactLocation"]["uri"]) == "dir/가 나.cnn"
    assert place["region"] == {"startLine": 1, "startColumn": 3, "endLine": 1, "endColumn": 7}
    assert first["fixes"][0]["artifactChanges"][0]["replacements"] == [
        {"deletedRegion": place["region"], "insertedContent": {"text": "x"}}
    ]
    assert [r["ruleIndex"] for r in run["results"]] == [0, 1]
    assert second["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": "b.cnn"}}


# the part of SARIF 2.1.0's schema that is used here, with nothing else allowed
REGION = {
    "type": "object",
    "properties": {k: {"type": "integer", "minimum": 1} for k in ("startLine", "startColumn", "endLine", "endColumn")},
    "additionalProperties": False,
    "required": ["startLine"],
}
ARTIFACT = {
    "type": "object",
    "properties": {"uri": {"type": "string", "format": "uri-reference", "pattern": r"^[!-~]*$"}},
    "additionalProperties": False,
}
TEXT = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "markdown": {"type": "string"}},
    "required": ["text"],
}


def test_sarif_places_are_valid_uris_and_regions() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    text = source("한 relu\n", "/dir/가 나%.cnn")
    cure = Help("do", (Edit(at(text, "relu"), "x"), Edit(Span(text, 7, 7), "y")))
    stack = Expansion("f", at(text, "한"))
    found = Diagnostic("E0301", "m", at(text, "relu", stack), labels=(Label(at(text, "한"), "l"),), help=(cure,))
    (result,) = json.loads(render_sarif([found]))["runs"][0]["results"]
    places = [result["locations"][0]["physicalLocation"], *(r["physicalLocation"] for r in result["relatedLocations"])]
    assert len(places) == 3
    (change,) = result["fixes"][0]["artifactChanges"]
    for place in places:
        jsonschema.validate(place["region"], REGION)
        jsonschema.validate(place["artifactLocation"], ARTIFACT)
    for replacement in change["replacements"]:
        jsonschema.validate(replacement["deletedRegion"], REGION)
        jsonschema.validate(replacement["insertedContent"], TEXT)
    assert places[0]["artifactLocation"]["uri"] == "file:///dir/%EA%B0%80%20%EB%82%98%25.cnn"


def test_the_names_of_formats() -> None:
    assert list(FORMATS) == ["full", "concise", "json", "sarif", "github"]


# --- edits ------------------------------------------------------------------------------------------------------------


def test_edits_are_applied_by_place() -> None:
    text = source("abcdef")
    edits = [
        Edit(Span(text, 4, 6), "Z"),
        Edit(Span(text, 0, 0), "1"),
        Edit(Span(text, 0, 0), "2"),
        Edit(Span(text, 1, 2), ""),
    ]
    assert apply_edits(text.text, edits) == "12acdZ"


def test_overlapping_edits_are_refused() -> None:
    text = source("abcdef")
    with pytest.raises(ValueError, match="overlap"):
        apply_edits(text.text, [Edit(Span(text, 0, 3), ""), Edit(Span(text, 2, 4), "")])


def test_cures_that_touch_are_not_chosen_together() -> None:
    text, other = source("abcdef"), source("x")
    cures = [Help("1", (Edit(Span(text, 0, 2), "x"),)), Help("2", (Edit(Span(text, 2, 3), "y"),))]
    cures += [Help("3", (Edit(Span(text, 4, 5), "z"),)), Help("4", (Edit(Span(other, 0, 1), "q"),)), Help("5")]
    found = [Diagnostic("E0301", "m", Span(text, 0, 1), help=(Help("first, but by hand"), h)) for h in cures]
    assert [h.text for _, h in choose_cures(found, text)] == ["1", "3"]


# --- laws -------------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(codec=None), max_size=200).map(lambda t: t.replace("\r", ""))


@given(texts, st.integers(0, 200), st.integers(0, 200), st.text(max_size=20), st.data())
def test_any_text_is_shown_in_every_format_without_control_characters(
    text: str, a: int, b: int, new: str, data: st.DataObject
) -> None:
    made = source(text)
    low, high = sorted((min(a, len(text)), min(b, len(text))))
    span = Span(made, low, high)
    start = data.draw(st.integers(0, len(text)))
    label = Label(Span(made, start, data.draw(st.integers(start, len(text)))), new)
    found = Diagnostic(
        "E0301", new, span, label=new, labels=(label,), notes=(new,), help=(Help(new, (Edit(span, new),)),)
    )
    plain = render_full(found)
    assert all(c == "\n" or c.isprintable() for c in plain)
    assert re.sub(r"\x1b\[[0-9;]*m", "", render_full(found, color=True)) == plain
    assert "\n" not in render([found], "concise") + render([found], "github")
    assert json.loads(render([found], "json"))["diagnostics"][0]["message"] == new
    assert json.loads(render_sarif([found]))["runs"][0]["results"][0]["ruleId"] == "E0301"


@given(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=80))
def test_columns_count_what_is_shown(text: str) -> None:
    shown = ShownLine.of(text)
    assert shown.width == display_width("".join(shown.pieces))
    assert len(shown.columns) == len(text) + 1
    assert shown.columns == sorted(shown.columns)
