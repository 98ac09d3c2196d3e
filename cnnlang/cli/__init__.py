"""The command line: one module a command, imported when it is asked for.

Exit codes: 0 all is well, 1 the user's file has findings, 2 the command or what it needs is wrong. What a command is
for goes to standard output, what it says about its work to standard error.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    arguments
        The words after `cnnlang`; those of the process where it is None.

    Returns
    -------
    int
        The exit code.
    """
    import click

    gc.set_threshold(100_000, 50, 50)  # a command is short, and looking for cycles would be a tenth of its time
    from cnnlang.cli.group import cli
    from cnnlang.cli.output import prepare_streams

    prepare_streams()
    try:
        code = cli.main(None if arguments is None else list(arguments), prog_name="cnnlang", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except click.Abort:
        return 130  # as a shell reports Ctrl-C
    except click.exceptions.Exit as error:
        return error.exit_code
    except SystemExit as error:  # shell completion ends so
        return error.code if isinstance(error.code, int) else 2
    sys.stdout.flush()
    if arguments is None:
        gc.freeze()  # the process ends, and looking through all that is left would be a tenth of its time again
    return code if isinstance(code, int) else 0
