"""The rules by which a conversation goes on, whatever happens to it."""

from __future__ import annotations

from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.fuzz.stage import Stage
from tests.fuzz.vendors import KINDS
from tests.fuzz.world import PAUSE, World, open_world

Turns = int | None
TURNS = st.sampled_from([None, None, None, 1, 2, 3, 5, 8, 13])  # rounds of the scheduler; None: until all wait
VENDOR = st.sampled_from(["openai", *KINDS])
WISH = st.one_of(
    st.fixed_dictionaries({"prompt": st.sampled_from(["A pirate.", "A cat."])}),
    st.fixed_dictionaries({"provider": VENDOR}),
)
MIC_HZ = st.sampled_from([24_000, 24_000, 16_000, 48_000])


class Conversation(RuleBasedStateMachine):
    """Counts in `played` the scripts that were played to their end."""

    played = 0

    def __init__(self) -> None:
        super().__init__()
        self._stage: Stage[World] | None = None
        self._world: World

    @initialize(seed=st.integers(0, 2**16), mic_hz=MIC_HZ, vendor=VENDOR)
    def begin(self, seed: int, mic_hz: int, vendor: str) -> None:
        self._stage = Stage(partial(open_world, mic_hz, vendor), seed)
        self._do("keep_world")
        self._do("start")

    def _do(self, what: str, *args: object, turns: Turns = None, **more: object) -> None:
        async def step(world: World) -> None:
            self._world = world
            if what != "keep_world":
                await getattr(world, what)(*args, **more)
                await world.settle(turns)

        assert self._stage is not None
        self._stage.do(step)

    # --- the person --------------------------------------------------------------------------------------------

    @precondition(lambda self: self._world.person and not self._world.ledger.wants and not self._world.ledger.resuming)
    @rule(turns=TURNS)
    def start(self, turns: Turns) -> None:
        self._do("start", turns=turns)

    @precondition(lambda self: self._world.person and self._world.ledger.wants and self._world.may_speak)
    @rule(blocks=st.integers(1, 24), turns=TURNS)
    def speak(self, blocks: int, turns: Turns) -> None:
        self._do("speak", blocks, turns=turns)

    @precondition(lambda self: self._world.person and self._world.ledger.wants)
    @rule(blocks=st.integers(1, PAUSE), turns=TURNS)
    def pause(self, blocks: int, turns: Turns) -> None:
        self._do("pause", blocks, turns=turns)

    @precondition(lambda self: self._world.person and self._world.ledger.wants)
    @rule(turns=TURNS)
    def fall_silent(self, turns: Turns) -> None:
        self._do("fall_silent", turns=turns)

    @precondition(lambda self: self._world.person and self._world.ledger.wants)
    @rule(when=st.sampled_from(["now", "turn"]), wish=WISH, turns=TURNS)
    def swap(self, when: str, wish: dict[str, str], turns: Turns) -> None:
        self._do("swap", when, turns=turns, **wish)

    @precondition(lambda self: self._world.person and self._world.ledger.wants and self._world.may_ask)
    @rule(turns=TURNS)
    def type(self, turns: Turns) -> None:
        self._do("type", turns=turns)

    @precondition(lambda self: self._world.person)
    @rule()
    def stall(self) -> None:
        self._do("stall")

    @precondition(lambda self: self._world.person and self._world.may_speak)
    @rule(turns=TURNS)
    def cut_in_unread(self, turns: Turns) -> None:
        """Chance alone seldom meets a reply of 200 ms with a stall and a cut."""
        for what, args in (("speak", [10]), ("fall_silent", []), ("wait", [0.06]), ("stall", []), ("wait", [0.06])):
            if self._world.ledger.wants:
                self._do(what, *args)
        if self._world.ledger.wants:
            self._do("speak", 10)
        self._do("read_on", turns=turns)

    @precondition(lambda self: self._world.person)
    @rule(turns=TURNS)
    def read_on(self, turns: Turns) -> None:
        self._do("read_on", turns=turns)

    @precondition(lambda self: self._world.person and self._world.ledger.wants)
    @rule(turns=TURNS)
    def end(self, turns: Turns) -> None:
        self._do("end", turns=turns)

    @precondition(lambda self: self._world.person)
    @rule()
    def vanish(self) -> None:
        self._do("vanish")

    @precondition(lambda self: not self._world.person)
    @rule(resumes=st.booleans(), turns=TURNS)
    def come_back(self, resumes: bool, turns: Turns) -> None:
        self._do("come_back", resumes=resumes, turns=turns)

    # --- the world ---------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.01, 0.06, 0.11, 0.3, 1.0, 6.0]))
    def time(self, seconds: float) -> None:
        self._do("wait", seconds)

    @precondition(lambda self: self._world.may_ask)
    @rule(turns=TURNS)
    def bring_news(self, turns: Turns) -> None:
        self._do("bring_news", turns=turns)

    @precondition(lambda self: self._world.vendors.live)
    @rule(which=st.integers(0, 2), how=st.sampled_from(["reset", "close", "expire", "deafen"]), turns=TURNS)
    def lose(self, which: int, how: str, turns: Turns) -> None:
        self._do("lose", which, how, turns=turns)

    @rule(refuse=st.sampled_from([None, None, 503, 401]), delay_s=st.sampled_from([0.0, 0.0, 0.2, 2.0, 8.0]))
    def next_dials(self, refuse: int | None, delay_s: float) -> None:
        self._world.vendors.next_dials(refuse, delay_s)

    def teardown(self) -> None:
        if self._stage is None or self._stage.failed:
            return
        self._stage.do(World.finish)
        self._stage.close()
        type(self).played += 1
