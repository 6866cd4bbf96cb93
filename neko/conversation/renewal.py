"""When a model session is renewed, and why: a pure function of facts. Times are seconds of any one clock."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from math import inf

from attrs import frozen

WINDOW_S = 120.0  # before a limit: an utterance and its answer are over by then, and a turn has ended
WINDOW_SHARE = 0.2  # of a short session's life at most
RESERVE_S = 3.0  # before a limit: priming takes a round trip, and clocks differ
RESERVE_SHARE = 0.05
FULL = 0.75  # of the context; what follows has to fit the longest answer and the error of the estimate
BRIMFUL = 0.95  # of the context: no end of a turn is waited for any more
PATIENCE = 2  # times the turns or the age that were asked for; somebody who cuts every reply short ends no turn
FILLING = 0.6  # of the context: the next session is prepared
IDLE_S = 30.0  # a pause in which nobody would notice anything
WORN = 0.5  # of the turns or the context: what a pause is used for
FRESH_SHARE = 0.5  # of a prepared session's life; then it is replaced while it still waits


class Reason(StrEnum):
    """Why a model session makes room for another, as clients are told."""

    REQUESTED = "requested"
    CONFIG = "config"
    TURNS = "turns"
    AGE = "age"
    EXPIRES = "expires"
    CONTEXT = "context"
    AGENTS = "agents"
    IDLE = "idle"
    LOST = "lost"


@frozen
class Limits:
    """What a session may become; 0 and None are no limit."""

    max_turns: int
    max_age_s: float
    context_tokens: int | None
    swap_deadline_s: float  # to have the next session connected
    remembers_s: float | None = None  # how long it knows what it has heard; the recap of the next one tells it again
    warns_before_s: float | None = None  # how long before its end the provider says when that is


@frozen
class Wear:
    """How far the running session is used up."""

    since: float
    ends_at: float | None  # the provider's limit, known beforehand or announced
    turns: int  # of the person
    tokens: int  # of its context, estimated
    quiet_since: float | None  # nobody speaks and nobody waits for an answer since then
    outdated: bool = False  # the configuration says something else by now
    talked_since: float | None = None  # the first answer
    untold: bool = False  # agents have brought what this session cannot be told


@frozen
class Renewal:
    """`prepare_at`: the next session is connected; `at`: from then on at the end of a turn; `by`: whatever is said."""

    reason: Reason
    prepare_at: float
    at: float
    by: float = inf


def renewal(wear: Wear, limits: Limits) -> Renewal | None:
    """The first reason to renew, None when there is none. Whatever the reason, no limit is missed for it."""
    reasons = list(_reasons(wear, limits))
    if not reasons:
        return None
    first = min(reasons, key=lambda each: each.at)
    return Renewal(
        first.reason,
        prepare_at=min(each.prepare_at for each in reasons),
        at=first.at,
        by=min(each.by for each in reasons),
    )


def fresh_until(since: float, ends_at: float | None) -> float:
    """How long a prepared session may wait: one that takes over shortly before its own end is of little use."""
    return inf if ends_at is None else since + (ends_at - since) * FRESH_SHARE


def _reasons(wear: Wear, limits: Limits) -> Iterator[Renewal]:
    """In the order in which they are named when several are due."""
    if wear.outdated:
        yield Renewal(Reason.CONFIG, -inf, -inf)
    if wear.ends_at is not None:
        yield _expires(wear.since, wear.ends_at, limits)
    if wear.untold:
        yield Renewal(Reason.AGENTS, -inf, -inf)
    if limits.context_tokens and wear.tokens >= FILLING * limits.context_tokens:
        at = -inf if wear.tokens >= FULL * limits.context_tokens else inf
        yield Renewal(Reason.CONTEXT, -inf, at, -inf if wear.tokens >= BRIMFUL * limits.context_tokens else inf)
    if limits.remembers_s is not None and wear.talked_since is not None:
        at = wear.talked_since + FULL * limits.remembers_s
        yield Renewal(Reason.CONTEXT, at - limits.swap_deadline_s, at)
    if limits.max_turns and wear.turns >= limits.max_turns - 1:
        at = -inf if wear.turns >= limits.max_turns else inf
        yield Renewal(Reason.TURNS, -inf, at, -inf if wear.turns >= PATIENCE * limits.max_turns else inf)
    if limits.max_age_s:
        at = wear.since + limits.max_age_s
        yield Renewal(Reason.AGE, at - limits.swap_deadline_s, at, wear.since + PATIENCE * limits.max_age_s)
    if wear.quiet_since is not None and _worn(wear, limits):
        at = wear.quiet_since + IDLE_S
        yield Renewal(Reason.IDLE, at - limits.swap_deadline_s, at)


def _expires(since: float, ends_at: float, limits: Limits) -> Renewal:
    life = ends_at - since
    # Until the provider has to speak up, its limit is a guess of ours: Google's sessions often last longer.
    at = ends_at - min(WINDOW_S, WINDOW_SHARE * life, limits.warns_before_s or inf)
    return Renewal(Reason.EXPIRES, at - limits.swap_deadline_s, at, by=ends_at - min(RESERVE_S, RESERVE_SHARE * life))


def _worn(wear: Wear, limits: Limits) -> bool:
    by_turns = bool(limits.max_turns) and wear.turns >= WORN * limits.max_turns
    by_tokens = bool(limits.context_tokens) and wear.tokens >= WORN * (limits.context_tokens or 0)
    return by_turns or by_tokens
