"""Options and arguments that commands share, and the files and values they name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cnnlang.errors import FindingsError, UsageError

if TYPE_CHECKING:
    from cnnlang.diagnostics import Help
    from cnnlang.expand import Checked
    from cnnlang.signature import Value

F = TypeVar("F", bound=Callable[..., Any])


def read_values(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Value]:
    """The values of `--set`."""
    return values_of(values)


def values_of(texts: Sequence[str]) -> dict[str, Value]:
    """What each text `NAME=VALUE` says, VALUE being an expression of the language."""
    return dict(map(_read_value, texts))


def _read_value(text: str) -> tuple[str, Value]:
    from cnnlang.expand.evaluate import Evaluator
    from cnnlang.expand.findings import Abandon, Findings
    from cnnlang.syntax import parse_expression

    name, equals, expression = text.partition("=")
    name = name.strip()
    if not equals or not name.isidentifier():
        msg = f"--set needs NAME=VALUE, as in --set classes=10, and was given `{text}`"
        raise UsageError(msg)
    findings = Findings()
    try:
        return name, Evaluator(_NoNames(findings), findings).evaluate(parse_expression(expression.strip(), "--set"))
    except FindingsError as error:
        reason = error.diagnostics[0].message
    except Abandon:
        reason = findings.result()[0].message
    msg = f"--set {text}: {reason}"
    raise UsageError(msg)


class _NoNames:
    """An expression on the command line sees no names."""

    def __init__(self, findings: Any) -> None:
        self.findings = findings

    def value_of(self, name: Any) -> Value:
        message = f"`{name.name}` has no value here (a string needs its quotes: --set '{name.name}=\"...\"')"
        raise self.findings.report("E0301", message, name.span)

    def attribute_of(self, attribute: Any) -> Value:
        raise self.findings.report("E0301", "nothing has sizes here", attribute.span)

    def numbers(self) -> list[str]:
        return []

    def sized(self, size: Any) -> tuple[Help, ...]:
        return ()


def net_option(command: F) -> F:
    return click.option("--net", metavar="NAME", help="The net to take, where the file has several.")(command)


def set_option(command: F) -> F:
    option = click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="NAME=VALUE",
        callback=read_values,
        help="Give a parameter or a symbolic size a value: classes=10, depths=[3,4,6,3], H=256. Repeatable.",
    )
    return option(command)


def root_option(command: F) -> F:
    option = click.option(
        "--root",
        metavar="DIR",
        type=click.Path(path_type=Path),
        callback=_folder,
        help="The folder that imports may not leave [default: the file's own].",
    )
    return option(command)


def _folder(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and not value.is_dir():
        msg = f"--root {value}: there is no such folder"
        raise UsageError(msg)
    return value


def choose_net(command: F) -> F:
    """`--net`, `--set` and `--root`."""
    return net_option(set_option(root_option(command)))


files_argument = click.argument("files", metavar="FILE...", nargs=-1, required=True)
file_argument = click.argument("file", metavar="FILE")


def find_files(names: Iterable[str]) -> list[str]:
    """The files that names stand for: a folder is every `.cnn` file in it, `-` is standard input.

    Raises
    ------
    UsageError
        A file does not exist, or a folder has no `.cnn` file.
    """
    found: dict[str, None] = {}
    for name in names:
        path = Path(name)
        if name != "-" and path.is_dir():
            inside = sorted(str(p) for p in _search(path))
            if not inside:
                msg = f"{name}: there is no .cnn file in this folder"
                raise UsageError(msg)
            found |= dict.fromkeys(inside)
        else:
            found[existing(name)] = None
    return list(found)


def _search(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*.cnn"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_file():
            yield path


def existing(name: str) -> str:
    """A file's name; a missing one is an error of the command, not a finding in a file.

    Raises
    ------
    UsageError
        There is no such file.
    """
    path = Path(name)
    if name == "-":
        return name
    if path.is_dir():
        msg = f"{name}: this is a folder; name a file in it"
        raise UsageError(msg)
    if not path.exists():
        from cnnlang.expand.cures.suggest import nearest

        there = [p.name for p in path.parent.glob("*.cnn")] if path.parent.is_dir() else []
        near = nearest(path.name, there)
        hint = f"; did you mean {path.with_name(near)}?" if near else ""
        msg = f"{name}: there is no such file{hint}"
        raise UsageError(msg)
    return name


def checked_file(name: str, net: str | None, overrides: dict[str, Value], root: Path | None) -> Checked:
    """Read a file and check it."""
    from cnnlang.expand import check
    from cnnlang.syntax import read_source

    return check(read_source(existing(name)), net=net, overrides=overrides, root=root)
