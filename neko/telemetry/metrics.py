"""What is counted about one house, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Protocol

from attrs import field, frozen
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

# One chunk of speech (40 ms) goes unnoticed, 200 ms is the pause between two speakers, 5 s the deadline of a swap.
GAPS_S = (0.0, 0.04, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
# A commit waits for the disk: 1 ms on flash, 10 to 20 on a disk that turns; 5 s is when a turn end waits no more.
COMMITS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)

# A look-up is quick, a web page takes a second or two, a deadline is 60 s unless it is configured.
TOOLS_S = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)


class Sounds(Protocol):
    """A ledger: milliseconds by fate, which only grow."""

    @property
    def heard_ms(self) -> Mapping[Any, Fraction]: ...

    @property
    def spoken_ms(self) -> Mapping[Any, Fraction]: ...


@frozen
class Census:
    """How many are there at this moment, of one character."""

    sessions: int
    connections: int
    model_sessions: Mapping[str, int]  # by their standing
    results: Mapping[Any, int] = field(factory=dict)  # of agents, by their fate; only grow


@frozen
class SwapMetrics:
    """One character's swaps are told here, each once."""

    _metrics: Metrics
    _character: str

    def swapped(self, reason: str, gap_ms: float, lost_ms: float) -> None:
        """One model session took the place of another; the numbers are those that the client was told."""
        self._metrics.swaps.labels(self._character, reason).inc()
        self._metrics.gaps.labels(reason).observe(gap_ms / 1000)
        self._metrics.lost.labels(self._character).inc(lost_ms / 1000)

    def failed(self) -> None:
        """A swap that was wanted came to nothing, and the old session went on."""
        self._metrics.failures.labels(self._character).inc()


@frozen
class AgentMetrics:
    """What goes between agents and the house."""

    _metrics: Metrics

    def taken(self, kind: str) -> None:
        """A message of this type was taken."""
        self._metrics.agent_messages.labels(kind).inc()

    def refused(self, reason: str) -> None:
        """A message could not be used."""
        self._metrics.agent_refusals.labels(reason).inc()

    def asked(self, outcome: str) -> None:
        """An analyze request is over."""
        self._metrics.agent_requests.labels(outcome).inc()

    def watch(self, here: Callable[[], int]) -> None:
        """How many agents are here is asked whenever somebody looks."""
        self._metrics.agents.set_function(here)


@frozen
class Watched:
    """What is read of a character whenever somebody looks."""

    sounds: Sounds
    census: Callable[[], Census]


class Metrics(Collector):
    """Has a registry of its own, so that several houses live in one process. Labels are configured names and enums."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._watched: dict[str, Watched] = {}
        registry, character = self._registry, "character"
        self.swaps = Counter("neko_swaps", "Model sessions replaced.", [character, "reason"], registry=registry)
        self.gaps = Histogram(
            "neko_swap_gap_seconds", "Silence that a swap put in.", ["reason"], registry=registry, buckets=GAPS_S
        )
        self.lost = Counter("neko_swap_lost_seconds", "Speech lost in swaps.", [character], registry=registry)
        self.provider_errors = Counter(
            "neko_provider_errors", "Attempts to reach a provider that failed.", ["provider", "code"], registry=registry
        )
        self.left_alone = Gauge(
            "neko_provider_left_alone", "Whether a provider that fails is left alone.", ["provider"], registry=registry
        )
        self.failures = Counter("neko_swap_failures", "Swaps given up.", [character], registry=registry)
        self.commits = Histogram(
            "neko_memory_commit_seconds", "Writing what was said.", registry=registry, buckets=COMMITS_S
        )
        self.unwritten = Gauge(
            "neko_memory_waiting", "What was said and is not written yet, entries.", registry=registry
        )
        self.refusals = Counter("neko_memory_failures", "Writes that the disk refused.", registry=registry)
        self.given_up = Counter("neko_memory_given_up", "Entries that never were written.", registry=registry)
        self.translations = Counter(
            "neko_translations",
            "Questions to translators, by what became of them.",
            ["step", "outcome"],
            registry=registry,
        )
        self.abandoned = Counter(
            "neko_abandoned_calls", "Blocking calls that go on in a thread for nobody.", ["vendor"], registry=registry
        )
        self.agent_messages = Counter(
            "neko_agent_messages", "Messages of agents that were taken.", ["kind"], registry=registry
        )
        self.agent_refusals = Counter(
            "neko_agent_refusals", "Messages of agents that could not be used.", ["reason"], registry=registry
        )
        self.agents = Gauge("neko_agents", "Agents that have been heard of lately.", registry=registry)
        self.agent_requests = Counter(
            "neko_agent_requests", "Analyze requests, by their outcome.", ["outcome"], registry=registry
        )
        self._tools = Counter("neko_tool_calls", "Uses of a tool.", ["tool", "outcome"], registry=registry)
        self._tool_seconds = Histogram(
            "neko_tool_seconds", "How long a tool took.", ["tool"], registry=registry, buckets=TOOLS_S
        )
        registry.register(self)

    def of(self, character: str, sounds: Sounds, census: Callable[[], Census]) -> SwapMetrics:
        """Watches a character from now on; one of the same name takes the place of the one before."""
        self._watched[character] = Watched(sounds, census)
        for counter in (self.lost, self.failures):
            counter.labels(character)  # a series that begins at 0 shows its first step
        return SwapMetrics(self, character)

    def tool_used(self, tool: str, outcome: str, took_s: float) -> None:
        """A tool, by its name in the configuration, was used once."""
        self._tools.labels(tool, outcome).inc()
        self._tool_seconds.labels(tool).observe(took_s)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """The text for a client that accepts so, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Read at the moment of asking: the ledgers are the counters."""
        yield self._sound("neko_mic_seconds", "The person's sound, by its fate.", lambda sounds: sounds.heard_ms)
        yield self._sound("neko_speech_seconds", "Sound of replies, by its fate.", lambda sounds: sounds.spoken_ms)
        census = {character: watched.census() for character, watched in self._watched.items()}
        results = CounterMetricFamily("neko_agent_results", "Results of agents, by fate.", labels=["character", "fate"])
        for character, each in census.items():
            for fate, times in each.results.items():
                results.add_metric([character, str(fate)], times)
        yield results
        here = list(census.values())
        sessions, connections = (sum(getattr(each, of) for each in here) for of in ("sessions", "connections"))
        yield GaugeMetricFamily("neko_sessions", "Conversations in progress.", value=sessions)
        yield GaugeMetricFamily("neko_connections", "Clients that have a character.", value=connections)
        models = GaugeMetricFamily("neko_model_sessions", "Open sessions of providers.", labels=["standing"])
        for standing in {standing: None for each in here for standing in each.model_sessions}:
            models.add_metric([standing], sum(each.model_sessions[standing] for each in here))
        yield models

    def _sound(self, name: str, what: str, of: Callable[[Sounds], Mapping[Any, Fraction]]) -> Metric:
        family = CounterMetricFamily(name, what, labels=["character", "fate"])
        for character, watched in self._watched.items():
            for fate, ms in of(watched.sounds).items():
                family.add_metric([character, str(fate)], float(ms / 1000))
        return family
