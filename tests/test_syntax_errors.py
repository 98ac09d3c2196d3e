"""Every syntax error with its exact words, and what its cure makes of the text.

The table is `tests/fixtures/syntax_errors.txt`: texts between lines of `=`, each followed by its messages and by what
its cures make of it, with lines of `-` between. A text is the body of a net, or after a line `file` a whole file.
`pytest tests/test_syntax_errors.py --update-golden` writes what comes out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnlang.diagnostics import Diagnostic
from cnnlang.edits import apply_edits, choose_cures, first_cure
from cnnlang.source import Source, Span
from cnnlang.syntax import cures, foreign, parse
from cnnlang.syntax.foreign import FOREIGN, NUMBER_HABITS, Foreign
from cnnlang.syntax.habits import HABITS, MISSING, SWAPS, Habit
from cnnlang.syntax.statement import Statement

TABLE = Path(__file__).parent / "fixtures" / "syntax_errors.txt"
BEFORE, AFTER = "cnn 1\nnet A {\n  input x: [N, 3, 8, 8]\n  ", "\n  relu\n}\n"
NO_CURE = "no cure"
# Statements with two slips, of which one is told at a time.
TWO_SLIPS = {"train { optimizer = adam(lr=1e-3 epochs = 3 }", "check { params = 61_706, depth: 5 }"}


def read_table() -> list[tuple[str, str, str]]:
    rows = []
    for row in TABLE.read_text(encoding="utf-8").removesuffix("\n").split("\n====\n"):
        text, messages, cured = [*row.split("\n----\n"), "", ""][:3]
        rows.append((text, messages, cured))
    return rows


ROWS = read_table()


def whole(text: str) -> str:
    """The file that a text of the table stands for: itself after `file`, or the body of a net."""
    if text.split("\n")[0] == "file":
        return text.removeprefix("file").removeprefix("\n")
    return BEFORE + text.replace("\n", "\n  ") + AFTER


def part(text: str, file: str) -> str:
    """What `whole` made `file` of, if it still has its beginning and end."""
    if text.split("\n")[0] == "file" or not (file.startswith(BEFORE) and file.endswith(AFTER)):
        return "file\n" + file
    return file[len(BEFORE) : -len(AFTER)].replace("\n  ", "\n")


def line_of(found: Diagnostic) -> str:
    assert found.span is not None
    helps = "".join(f" | {help.text}" for help in found.help)
    return f"{found.span.line}:{found.span.column} {found.code} {found.message}{helps}"


def cure(text: str) -> str | None:
    """A text with all cures carried out, round after round, if that ends in a file without errors."""
    for _ in range(8):
        source = Source("test", text)
        file, findings = parse(source)
        if file is not None:
            return text
        chosen = choose_cures(findings, source)
        if not chosen:
            return None
        text = apply_edits(text, [edit for _, help in chosen for edit in help.edits])
    return None


@pytest.mark.parametrize(("text", "messages", "cured"), ROWS, ids=[row[0][:60] for row in ROWS])
def test_messages_and_cures(text: str, messages: str, cured: str, update_golden: bool) -> None:
    file = whole(text)
    _, findings = parse(Source("test", file))
    mended = cure(file)
    result = NO_CURE if mended is None else part(text, mended)
    if update_golden:
        update(text, "\n".join(map(line_of, findings)), result)
        return
    assert "\n".join(map(line_of, findings)) == messages
    assert result.rstrip("\n") == cured.rstrip("\n")
    assert findings
    if len(findings) == 1 and mended is not None and text not in TWO_SLIPS:
        # The one help that is printed is enough.
        (found,) = findings
        help = first_cure(found)
        assert help is not None
        assert parse(Source("test", apply_edits(file, help.edits)))[1] == []


def update(text: str, messages: str, cured: str) -> None:
    rows = [(t, messages, cured) if t == text else (t, m, c) for t, m, c in read_table()]
    TABLE.write_text("\n====\n".join("\n----\n".join(row) for row in rows) + "\n", encoding="utf-8", newline="\n")


def test_nearly_all_can_be_cured() -> None:
    slips = [row for row in ROWS if "E0103" in row[1] or "E0107" in row[1] or "E0102" in row[1]]
    assert sum(row[2] != NO_CURE for row in slips) >= 0.9 * len(slips)
    assert sum(row[2] != NO_CURE for row in ROWS) >= 0.75 * len(ROWS)


def test_every_habit_occurs(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: set[object] = set()
    tried, read = cures.try_habit, foreign.Reader.foreign

    def note_habit(statement: Statement, habit: Habit, *rest: object) -> object:
        found = tried(statement, habit, *rest)  # type: ignore[arg-type]
        if found:
            shown.add(habit.pattern)
        return found

    def note_foreign(self: foreign.Reader, row: Foreign, start: int, end: int) -> None:
        shown.add(row.pattern)
        read(self, row, start, end)

    monkeypatch.setattr(cures, "try_habit", note_habit)
    monkeypatch.setattr(foreign.Reader, "foreign", note_foreign)
    for text, _, _ in ROWS:
        parse(Source("test", whole(text)))
    assert {habit.pattern for habit in HABITS} - shown == set()
    assert {row.pattern for row in FOREIGN} - shown == set()


def test_every_code_occurs() -> None:
    found = {line.split()[1] for _, messages, _ in ROWS for line in messages.split("\n")}
    assert found == {"E0101", "E0102", "E0103", "E0106", "E0107", "E0108"}
    words = "\n".join(messages for _, messages, _ in ROWS)
    for swap in SWAPS:
        assert f"expected `{swap.right}`, found `{swap.wrong}`" in words
    for sign in MISSING:
        assert f"{'a line end' if sign == '_NL' else f'`{sign}`'} is missing before" in words
    assert words.count("is not how a number is written") + words.count("a pair is written") >= len(NUMBER_HABITS)


# --- one error, one message -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "cnn 1\nblock f(c, k {\n  conv(c, k)\n}\nnet A { f(8, 3) }\n",
        "cnn 1\nblock f(c k) {\n  conv(c, k)\n}\nnet A { f(8, 3) }\n",
        "cnn 1\nblock f c, k {\n  conv(c, k)\n  relu\n}\nnet A { f(8, 3) }\n",
        "cnn 1\nblock (c, k) {\n  conv(c, k)\n}\nnet A { f(8, 3) }\n",
        "cnn 1\nnet A {\n  add of {\n    | in\n    | relu\n  }\n  relu\n}\n",
        "cnn 1\nnet A {\n  add( {\n    | in\n    | relu\n  }\n  relu\n}\n",
        "cnn 1\nnet A {\n  add 3 4 {\n    | in\n    | relu\n  }\n  relu\n}\n",
        "cnn 1\nnet A {\n  for in xs {\n    relu\n  }\n  relu\n}\n",
        "cnn 1\nnet A {\n  for a, in xs {\n    relu\n  }\n  relu\n}\n",
        "cnn 1\nnet A {\n  for a in {\n    relu\n  }\n  relu\n}\n",
        "cnn 1\nnet A {\n  conv(3, 3\n  relu\n  for a in b { relu }\n}\n",
        "cnn 1\nnet A {\n  conv(3, [3, 3)\n  relu\n}\n",
        "cnn 1\nnet A {\n  conv(\n    3,\n    3 = 4,\n    5\n  )\n  relu\n}\n",
        "cnn 1\nnet A {\n  if a == {\n    relu\n  } else {\n    tanh\n  }\n}\n",
        "cnn 1\nnet A {\n  if a {\n    relu\n  } otherwise {\n    tanh\n  }\n}\n",
        "cnn 1\nnet A {\n  train {\n    loss = = mse\n    epochs = 3\n  }\n}\n",
        "cnn 1\nnet A {\n  group {\n    relu\n  }\n  relu\n}\n",
    ],
)
def test_one_mistake_is_one_error(text: str) -> None:
    assert len(parse(Source("test", text))[1]) == 1


def test_errors_in_different_statements_are_all_told() -> None:
    lines = ["conv(3 3)", "x = conv(3)", "conv(3, pad='a')", "a -> ", "let = 3", "for a xs { relu }", "(bn) * 2", "b;"]
    text = "cnn 1\nnet A {\n" + "\n".join(f"  {line}\n  relu" for line in lines) + "\n}\n"
    _, findings = parse(Source("test", text))
    assert [f.span.line for f in findings if f.span] == [3, 5, 7, 11, 13, 15, 17]


def test_no_more_than_twenty_are_told() -> None:
    text = "cnn 1\nnet A {\n" + "  conv(3 3)\n" * 100 + "}\n"
    assert len(parse(Source("test", text))[1]) == 20


def test_two_habits_in_one_statement_are_both_told_and_cured_together() -> None:
    source = Source("test", whole("x = conv(3, pad='same') → relu;"))
    _, findings = parse(source)
    assert [f.code for f in findings] == ["E0107"] * 4
    edits = [edit for _, help in choose_cures(findings, source) for edit in help.edits]
    # Edits that touch wait for the next round: ` as x` and the `;` after it.
    assert apply_edits(source.text, edits).split("\n")[3] == '  conv(3, pad="same") -> relu as x;'
    assert cure(source.text) == whole('conv(3, pad="same") -> relu as x')


def test_spans_of_cures_are_the_originals() -> None:
    source = Source("test", whole("(x) → conv(3，5) relu"))
    _, findings = parse(source)
    for found in findings:
        assert isinstance(found.span, Span)
        assert found.span.source is source
        assert all(edit.span.source is source for help in found.help for edit in help.edits)
