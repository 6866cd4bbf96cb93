"""Known failures as one sentence on stderr and an exit status; a bug stays a traceback."""

from __future__ import annotations

from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, assert_never

import click

from neko.agents.errors import CannotBind
from neko.app import NotReady
from neko.bench.errors import NothingMeasured
from neko.cli.logs import LogStyle, as_json_line
from neko.cli.process import Stopped
from neko.client import BadAddress, BadRecording, ClientError, Unauthorized, UnknownCharacter
from neko.config.errors import ConfigError
from neko.web.listener import CannotListen

if TYPE_CHECKING:
    from collections.abc import Iterator


class Failure(click.ClickException):
    """One sentence; click shows it on stderr, as a line of the log where that is JSON, and exits with 1."""

    style = LogStyle.TEXT

    def show(self, file: IO[Any] | None = None) -> None:
        match self.style:
            case LogStyle.TEXT:
                super().show(file)
            case LogStyle.JSON:
                click.echo(as_json_line("command.failed", room="cli", details=self.format_message()), file, err=True)
            case _:
                assert_never(self.style)


class WrongCommand(Failure):
    """The command line or the configuration cannot be used."""

    exit_code = 2


KNOWN = (Failure, ConfigError, ClientError, NotReady, CannotListen, CannotBind, NothingMeasured, Stopped)


@contextmanager
def in_one_sentence(style: LogStyle = LogStyle.TEXT) -> Iterator[None]:
    """Turns what a command is known to fail with into a `Failure`, also out of the groups of its nurseries."""
    try:
        yield
    except click.UsageError as error:
        if style is LogStyle.TEXT:
            raise
        raise _styled(WrongCommand(error.format_message()), style) from None
    except (
        Failure,
        ConfigError,
        ClientError,
        NotReady,
        CannotListen,
        CannotBind,
        NothingMeasured,
        Stopped,
        ExceptionGroup,
    ) as error:
        failures = [_failure(leaf) for leaf in _leaves(error)]
        first = failures[0]
        if first is None or None in failures:
            raise
        raise _styled(first, style) from None


def _styled(failure: Failure, style: LogStyle) -> Failure:
    failure.style = style
    return failure


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
        case Unauthorized():
            return Failure(f"{error}: put the one it was started with into the environment variable NEKO_TOKEN")
        case ClientError() | NotReady() | CannotListen() | CannotBind() | NothingMeasured() | Stopped():
            return Failure(str(error))
        case BrokenPipeError():
            return Failure("nobody reads what this prints any more")
        case _:
            return None
