"""The command line: gathers the commands, and tells whatever goes wrong in one line."""

import importlib.metadata
import io
import os
import sys
import traceback
from typing import Annotated, Any

import typer

from askd_bench.commands import evaluating, reading
from askd_bench.commands.declared import option
from askd_bench.errors import UserError
from askd_bench.report.notes import warnings_shown
from askd_bench.tables.terminal import console

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},  # of every command
    help="Score speech recognisers, above all distilled students, for robustness and calibration.\n\n"
    "Start with:  askd-bench run --suite noisy",
)
for _command in (
    evaluating.run,
    evaluating.merge,
    evaluating.render,
    reading.list_,
    reading.validate,
    reading.score,
    reading.groups,
    reading.compare,
    reading.export,
    reading.report,
    reading.leaderboard,
    evaluating.verify,
    evaluating.bench,
):  # in the order of `--help`
    app.command(_command.__name__.rstrip("_"))(_command)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"askd-bench {importlib.metadata.version('askd-bench')}")
        raise typer.Exit


_VERSION = option("Show the version and exit.", "--version", is_eager=True, callback=_show_version)


@app.callback()
def _common(version: Annotated[bool, _VERSION] = False) -> None:
    """Take the options that come before a command."""


# typer carries click inside or depends on it, by version; this base class of its usage errors is there in both
_USAGE_ERRORS: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "UsageError")


def main() -> None:
    """Run the command line; bad input is one line on standard error and exit code 2 (with ASKD_BENCH_TRACEBACK set, below its cause)."""
    # Rendering shares the cores with the model: threads that spin while they wait for work would take them from it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if isinstance(sys.stdout, io.TextIOWrapper):  # a character that the terminal lacks is no reason to stop
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with warnings_shown(console(stderr=True)):
            code = app(standalone_mode=False)
        sys.exit(code)
    except UserError as error:
        if error.__cause__ is not None and os.environ.get("ASKD_BENCH_TRACEBACK"):
            traceback.print_exception(error.__cause__)
        _fail(str(error), 2)
    except (typer.Abort, KeyboardInterrupt):
        _fail("interrupted; the same command goes on where it stopped", 130)
    except _USAGE_ERRORS as error:
        context = error.ctx.command_path if error.ctx else "askd-bench"
        if not error.format_message():  # no command: the help has been printed
            sys.exit(2)
        _fail(f"{error.format_message()} (see {context} --help)", 2)
    except BrokenPipeError:
        sys.exit(141)


def _fail(message: str, code: int) -> None:
    console(stderr=True).print(f"error: {' '.join(message.split())}", style="red", highlight=False, markup=False, soft_wrap=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
