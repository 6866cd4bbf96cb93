"""`neko sim`: the provider simulator on a port."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
import orjson
import trio

from neko.cli.failures import Failure, in_one_sentence
from neko.cli.process import Stopped, run_until_stopped
from neko.testing import BETAS, DIALECTS, Behaviour, ToolCall, open_provider, with_real_limits

if TYPE_CHECKING:
    from neko.testing.dialects import Dialect

REFUSALS = ("400", "401", "402", "403", "404", "429", "500", "503")
SECONDS = click.FloatRange(min=0)
COUNT = click.IntRange(min=0)


def _tool(value: str) -> ToolCall:
    name, _, arguments = value.partition("=")
    try:
        orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        raise click.BadParameter(
            f"{value!r} is neither a tool's name nor NAME= and the JSON of its arguments"
        ) from None
    return ToolCall(name, arguments or "{}")


# Each is named, in the end, after the field of `Behaviour` that it sets; only the calls join the replies.
_OPTIONS = (
    click.option("--silence-ms", type=COUNT, metavar="MS", help="Silence that ends an utterance."),
    click.option("--transcript", "transcripts", multiple=True, metavar="TEXT", help="What an utterance is heard as."),
    click.option("--reply", "replies", multiple=True, metavar="TEXT", help="What a reply says."),
    click.option("--call", "calls", multiple=True, type=_tool, metavar="NAME={JSON}", help="Call a tool first."),
    click.option("--response-ms", type=COUNT, metavar="MS", help="Length of a reply's speech."),
    click.option("--delta-ms", type=click.IntRange(min=10), metavar="MS", help="Speech in one event."),
    click.option("--paced", is_flag=True, help="Speak in real time instead of at once."),
    click.option("--first-delta-after", "first_delta_after_s", type=SECONDS, metavar="S", help="Think so long."),
    click.option("--done-after", "done_after_s", type=SECONDS, metavar="S", help="End a response so late."),
    click.option("--handshake-delay", "handshake_delay_s", type=SECONDS, metavar="S", help="Answer the upgrade late."),
    click.option(
        "--refuse", "refuse_status", type=click.Choice(REFUSALS), help="Refuse the upgrade: 401 for a bad key."
    ),
    click.option("--retry-after", "retry_after_s", type=SECONDS, metavar="S", help="Say when to come back."),
    click.option("--rate-limit-after", "replies_until_limit", type=COUNT, metavar="N", help="Refuse replies after N."),
    click.option("--expires-after", "expires_after_s", type=SECONDS, metavar="S", help="End each session then."),
    click.option("--go-away", "go_away_s", type=SECONDS, metavar="S", help="Announce the end so long before (gemini)."),
    click.option("--dies-after-events", type=COUNT, metavar="N", help="Close after N events, with --close-code."),
    click.option("--close-code", type=click.IntRange(1000, 4999), metavar="CODE", help="1007, 1008, 1011, …"),
    click.option("--close-reason", metavar="TEXT", help="What the close frame says."),
    click.option("--drops-after-ms", type=COUNT, metavar="MS", help="Reset TCP after so much speech: mid-word."),
    click.option("--silent-after", type=COUNT, metavar="N", help="Send nothing after N events, but answer pings."),
    click.option("--deaf-after", type=COUNT, metavar="N", help="Half-open TCP after N events."),
    click.option("--garbage-after", type=COUNT, metavar="N", help="Break the JSON of the event after N events."),
    click.option("--omit", "omits", multiple=True, metavar="TYPE", help="Never send this event: response.created, …"),
    click.option("--pong-delay", "pong_delay_s", type=SECONDS, metavar="S", help="Answer pings so late."),
)


def _with_options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(short_help="Serve a provider that behaves, and misbehaves, like a model's API.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, metavar="P", help="Port on 127.0.0.1; 0 for any.")
@click.option("--kind", "--dialect", "kind", type=click.Choice(tuple(DIALECTS)), default="openai", show_default=True)
@click.option("--beta", is_flag=True, help='Speak the beta of the API, as a provider with api = "beta" does.')
@click.option(
    "--real-limits",
    is_flag=True,
    help="Sessions live as long as the provider's own, where it names a limit, and end as they do.",
)
@_with_options
def sim(port: int, kind: str, beta: bool, real_limits: bool, **options: Any) -> None:
    """Serve a provider that needs no key: it hears by energy alone, says what it is told to, and misbehaves on request.

    Prints its URL, and runs until Ctrl-C or SIGTERM. An option that is not given is off, or the default of
    neko.testing.Behaviour; those with TEXT, TYPE or NAME can be repeated. To talk to `neko sim --port 9000`, put this
    into neko.toml, with the same kind:

    \b
        [providers.sim]
        kind = "openai"
        url = "ws://127.0.0.1:9000/v1/realtime"
        model = "simulated"

    \b
        [characters.Mimi]
        provider = "sim"
    """
    if beta and kind not in BETAS:
        raise click.UsageError(f"--beta is for --kind {' and '.join(BETAS)}; {kind} has no beta")
    dialect = (BETAS if beta else DIALECTS)[kind]
    behaviour = _behaviour(options)
    if real_limits:
        behaviour = with_real_limits(behaviour, dialect)
    if behaviour.go_away_s is not None and (behaviour.expires_after_s is None or dialect.go_away_s is None):
        raise click.UsageError("--go-away needs --expires-after and --kind gemini; the others do not announce the end")
    with in_one_sentence(), suppress(Stopped):
        run_until_stopped(_serve, behaviour, dialect, port)


def _behaviour(options: dict[str, Any]) -> Behaviour:
    given = {name: value for name, value in options.items() if value not in (None, ())}
    calls = given.pop("calls", ())
    if calls:
        given["replies"] = (*calls, *given.get("replies", Behaviour().replies))
    if "refuse_status" in given:
        given["refuse_status"] = int(given["refuse_status"])
    if "omits" in given:
        given["omits"] = frozenset(given["omits"])
    try:
        # A simulator may run for days, and nobody reads its records.
        return Behaviour(**given, records=False)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


async def _serve(behaviour: Behaviour, dialect: type[Dialect], port: int) -> None:
    try:
        async with open_provider(behaviour, dialect, port) as provider:
            click.echo(provider.url)
            await trio.sleep_forever()
    except OSError as error:
        raise Failure(f"cannot listen at port {port}: {error.strerror or error}") from None
