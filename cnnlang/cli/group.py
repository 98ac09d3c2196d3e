"""The group of all commands, and what happens when one fails."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click

from cnnlang import __version__
from cnnlang.cli.output import say, show_findings
from cnnlang.errors import CnnError, FindingsError

COMMANDS = (
    "check", "fmt", "summary", "run", "profile", "emit", "import", "verify", "diff",
    "weights", "explain", "ops", "cache", "new",
)  # fmt: skip
BROKEN_PIPE = 141  # as a shell reports a program that SIGPIPE ended


class Commands(click.Group):
    """Finds commands by name in modules of that name, and turns errors into messages and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command: click.Command = import_module(f"cnnlang.cli.{module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from cnnlang.expand.cures.suggest import nearest

            near = nearest(args[0], COMMANDS)
            hint = f" Did you mean `{near}`?" if near else ""
            ctx.fail(f"There is no command `{args[0]}`.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except FindingsError as error:
            show_findings(error.diagnostics)
            return 1
        except CnnError as error:
            say(f"error: {error}", "error")
            return 2
        except BrokenPipeError:
            # what is still in the buffer has no reader; without this the interpreter complains about it at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
        except MemoryError:
            say("error: there is not enough memory for this", "error")
            return 2
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            say(f"error: {place}{error.strerror or error}", "error")
            return 2
        return result


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 all is well, 1 the file has findings, 2 the command or what it needs is wrong.",
)
@click.version_option(__version__, message="cnnlang %(version)s")
def cli() -> None:
    """Convolutional networks as short text: check, count, run, and turn them into source.

    Begin with `cnnlang new mynet`, then `cnnlang check mynet.cnn` and `cnnlang summary mynet.cnn`.
    """
