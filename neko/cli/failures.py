"""Known failures as one sentence on stderr and an exit status; a bug stays a traceback."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from neko.app import NotReady
from neko.bench.errors import NothingMeasured
from neko.cli.process import Stopped
from neko.client import BadAddress, BadRecording, ClientError, UnknownCharacter
from neko.config.errors import ConfigError
from neko.web.listener import CannotListen

if TYPE_CHECKING:
    from collections.abc import Iterator


class Failure(click.ClickException):
    """One sentence; click prints it on stderr and exits with 1."""


class WrongCommand(Failure):
    """The command line or the configuration cannot be used."""

    exit_code = 2


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """Turns what a command is known to fail with into a `Failure`, also out of the groups of its nurseries."""
    try:
        yield
    except (ConfigError, ClientError, NotReady, CannotListen, NothingMeasured, Stopped, ExceptionGroup) as error:
        failures = [_failure(leaf) for leaf in _leaves(error)]
        first = failures[0]
        if first is None or None in failures:
            raise
        raise first from None


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _failure(error: BaseException) -> Failure | None:
    match error:
        case Failure():
            return error
        case ConfigError() | UnknownCharacter() | BadAddress() | BadRecording():
            return WrongCommand(str(error))
        case ClientError() | NotReady() | CannotListen() | NothingMeasured() | Stopped():
            return Failure(str(error))
        case BrokenPipeError():
            return Failure("nobody reads what this prints any more")
        case _:
            return None
