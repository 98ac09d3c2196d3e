"""Write the pages that follow from the registries: operators, sections, codes.

python docs/generate.py [--check]
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from cnnlang import training
from cnnlang.backends import TARGETS
from cnnlang.explain import codes, page
from cnnlang.ops import OPERATORS
from cnnlang.signature import Declared, Registry

DOCS = Path(__file__).parent
MADE = "<!-- made by docs/generate.py from the program's own declarations -->"


def manual(declared: type[Declared]) -> str:
    """One entry: signature, manual page, what others call it."""
    text = inspect.cleandoc(declared.__doc__ or "")
    text = text.replace("Examples\n--------\n", "Examples:\n\n")
    lines, indented = [], False
    for line in text.split("\n"):
        if line == "Examples:":
            indented = True
        elif indented and line and not line.startswith(" ") and not line.startswith("Source:"):
            line = f"    {line}"
        elif line.startswith("Source:"):
            indented = False
        lines.append(line.removesuffix("::") + ":" if line.endswith("::") and line != "::" else line)
    body = "\n".join(line for line in lines if line != "::")
    aliases = f"\n\nElsewhere: {', '.join(f'`{a}`' for a in declared.aliases)}" if declared.aliases else ""
    return f"### {declared.name}\n\n`{declared.signature()}`\n\n{body.strip()}{aliases}\n"


def family(declared: type[Declared]) -> str:
    """The first line of the module that declares it."""
    return (inspect.getdoc(sys.modules[declared.__module__]) or "").split("\n")[0].rstrip(".")


def operators() -> str:
    parts = [f"# Operators\n\n{MADE}\n"]
    for title, members in groupby(OPERATORS.values(), family):
        parts += [f"## {title}\n", *map(manual, members)]
    return "\n".join(parts)


def registry(title: str, members: Registry[Declared]) -> Iterable[str]:
    return [f"## {title}\n", *map(manual, members.values())]


def sections() -> str:
    return "\n".join(
        [
            f"# Sections\n\n{MADE}\n",
            (inspect.getdoc(training) or "") + "\n",
            *registry("Losses: `loss = ...`", training.LOSSES),
            *registry("Optimizers: `optimizer = ...`", training.OPTIMIZERS),
            *registry("Schedules: `schedule = ...`", training.SCHEDULES),
            *registry("Augmentations: `augment = ...`", training.AUGMENTATIONS),
            *registry("Initializers: `init = ...`", training.INITIALIZERS),
            *registry("Test-time views: `tta = mean { | in | ... }`", training.VIEWS),
        ]
    )


def errors() -> str:
    rows = "\n".join(f"| [{c}](../cnnlang/explain/{c}.md) | {page(c).title} |" for c in codes())
    intro = "`cnnlang explain CODE` prints a code's page: what it means, an example, its cure."
    return f"# Codes\n\n{MADE}\n\n{intro}\n\n| code | what it says |\n| --- | --- |\n{rows}\n"


def targets() -> str:
    """What each target can say of each operator."""
    limits = {name: target.load().LIMITS for name, target in TARGETS.items()}
    rows = []
    for operator in OPERATORS:
        cells = ["in part" if operator in limits[name] else "yes" for name in TARGETS]
        rows.append(f"| `{operator}` | {' | '.join(cells)} |")
    head = f"| operator | {' | '.join(TARGETS)} |\n| --- |{' --- |' * len(TARGETS)}"
    titles = [f"- `{name}` is {target.title}." for name, target in TARGETS.items()]
    parts = [
        f"# Targets\n\n{MADE}\n",
        "\n".join(titles) + "\n",
        "What a target cannot say is an error when the net is emitted, and `cnnlang check FILE --target T` finds it\n"
        "before: [E0401](../cnnlang/explain/E0401.md) for an operator or one of its arguments,\n"
        "[E0402](../cnnlang/explain/E0402.md) for a name that the target keeps for itself. Nothing near enough is\n"
        "put in its place. `cnnlang verify FILE` runs a net in all targets that are installed and compares the\n"
        "numbers.\n",
        "\n".join([head, *rows]) + "\n",
    ]
    said = [(name, op, text) for name, own in limits.items() for op, text in own.items()]
    if said:
        parts += ["## In part\n", "\n".join(f"- `{op}` for {name}: {text}" for name, op, text in said) + "\n"]
    return "\n".join(parts)


PAGES = {"operators.md": operators, "sections.md": sections, "errors.md": errors, "targets.md": targets}


def main() -> int:
    stale = []
    for name, make in PAGES.items():
        path, text = DOCS / name, make()
        if "--check" in sys.argv[1:]:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            path.write_text(text, encoding="utf-8", newline="\n")
    if stale:
        print(f"run `python docs/generate.py`: {', '.join(stale)} differ from the declarations", file=sys.stderr)
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
