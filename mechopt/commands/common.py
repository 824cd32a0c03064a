"""What the commands share: the application, exit codes, the options that recur, and where words go."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

import mechopt

DONE, ERROR, BAD_INPUT, NO_OPTIMUM, LIMIT, FAILED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

app = typer.Typer(
    help="Optimal mechanisms as convex programs, with two-sided certified bounds.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Name = Annotated[str, typer.Argument(metavar="NAME_OR_FILE", help="A path, - for standard input, or a catalog name.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the instance, as parameters.points=100.")
]


def say(text: str) -> None:
    """A line on standard output."""
    sys.stdout.write(text + "\n")


def complain(message: str) -> None:
    """Errors on standard error, one per line."""
    for line in message.splitlines():
        sys.stderr.write(f"error: {line}\n")


def _version(wanted: bool) -> None:
    if wanted:
        say(f"mechopt {mechopt.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Optimal mechanisms as convex programs, with two-sided certified bounds."""


@contextmanager
def spinner() -> Iterator[Callable[[str], None]]:
    """A spinner on a terminal's stderr; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda message: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield lambda message: status.update(message)
