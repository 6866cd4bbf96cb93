"""What the person said and was told, as the person knows it; objects to each frame that cannot be. No I/O, no time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pybase64
from attrs import define, field

from neko.protocol.codec import SPEECH_HZ
from neko.testing.tagged import TagReader
from tests.fuzz.witness import UNDERSTOOD


@define(eq=False)
class Told:
    """One reply as the person got it."""

    turn_id: str
    torn: bool  # the person was away without asking for what it missed
    text: str = ""
    sound: bytearray = field(factory=bytearray, repr=False)
    silenced: bool = False
    interrupted: bool | None = None  # None until its end was told

    def blocks(self) -> list[int]:
        return TagReader(SPEECH_HZ).push(bytes(self.sound))


@define(eq=False)
class Ledger:
    """`frame` takes each frame as it comes; what only shows when everything has settled is for `verdict`."""

    utterance_of: dict[int, int] = field(factory=dict)  # of each voiced block, the utterance that it belongs to
    utterance: int = 0
    owed_from: int = 0  # utterances before this one began before the session that runs, and may be lost with theirs
    transcripts: list[str] = field(factory=list)
    starts: list[int] = field(factory=list)  # the first block after each time that a session was asked for
    known_at: list[int] = field(factory=list)  # of each transcript, how many blocks had been heard in all
    answers: dict[str, str] = field(factory=dict)  # of each typed question, the turn that answers it
    told: dict[str, Told] = field(factory=dict)
    story: list[str] = field(factory=list)  # "typed", "heard", "told", "cut": what happened, in order
    running: bool = False  # a session has started and not ended, as far as the person knows
    session_id: str = ""
    token: str = ""
    seq: int = 0
    left: int = 0  # ends that the person asked for and was not told of
    wants: bool = False  # has asked for a session, and not been told of its end
    resuming: bool = False  # the next frame says whether it is so
    missed: bool = False  # the person has come back without asking for what it missed
    anew: bool = False  # the next frame may have any number
    _ending: list[str] = field(factory=list)  # turns that were cut and whose end must come next

    def spoke(self, block: int) -> None:
        self.utterance_of[block] = self.utterance

    def fell_silent(self) -> None:
        self.utterance += 1

    @property
    def waits(self) -> bool:
        """For the answer to typed words."""
        asked = max((at for at, what in enumerate(self.story) if what == "typed"), default=-1)
        return asked >= 0 and not {"told", "broken"} & set(self.story[asked:])

    def typed(self) -> None:
        self.story.append("typed")

    def began(self, block: int) -> None:
        """Asks for a session; what was said to the one before, until this block, is lost with it."""
        self.starts.append(block)
        self.wants = True
        self.utterance += 1
        self.owed_from = self.utterance
        self.story.clear()

    def vanished(self) -> None:
        """A session that had not started does not wait."""
        self.left = 0
        self.wants = self.wants and self.running

    def came_back(self, *, resumes: bool) -> None:
        """Without `resume` what was missed is gone."""
        self.resuming, self.anew = resumes, not resumes
        if not resumes:
            self._tear()

    def _tear(self) -> None:
        self.missed = True
        for told in self.told.values():
            told.torn = told.torn or told.interrupted is None
        self._ending = []

    def frame(self, frame: dict[str, Any], heard: int) -> None:
        """`heard`: so many blocks had the providers heard in all when it came."""
        kind = frame["type"]
        if kind == "pong":
            return
        if self.resuming and frame.get("code") == "INVALID_VALUE":
            # There was nothing to come back to.
            self.wants = self.running = False
            self._tear()
        elif self.anew:
            pass
        else:
            assert frame["seq"] == self.seq + 1, f"number {frame['seq']} after {self.seq}: {frame}"
        # Whoever has nothing to come back to is told so before it joins the session that there is.
        self.anew = self.resuming and frame.get("code") == "INVALID_VALUE"
        self.seq, self.resuming = frame["seq"], False
        if self._ending:
            assert kind == "system", f"{frame} where a turn end was due"
        match kind:
            case "session_started":
                self.running, self.session_id, self.token = True, frame["session_id"], frame["resume_token"]
            case "session_failed" | "session_ended_by_server":
                self.running = False
                self.wants = self.wants and self.left > 0  # it may be the one before that is over
            case "status":
                assert frame["code"] != "SERVER_ERROR", frame
                # Typed words and an utterance may ask at the same time; the vendor answers one of them first.
                assert frame["code"] != "API_UNKNOWN_ERROR" or "active response" in frame["message"], frame
                if frame["code"] == "CHARACTER_LEFT":
                    self.running = False
                    self.left -= 1
            case "user_transcript":
                # Some tell the words as they come: what two utterances say may come as one.
                for text in UNDERSTOOD.findall(frame["text"]):
                    assert text not in self.transcripts, f"{text} twice"
                    self.transcripts.append(text)
                    self.known_at.append(heard)
                self.story.append("heard")
            case "gemini_response" | "audio_chunk":
                self._piece(frame)
            case "user_activity":
                self._activity()
            case "system":
                self._end(frame)
            case "neko.session_swapped":
                assert frame["lost_ms"] == 0, frame
                assert frame["gap_ms"] >= 0, frame
                assert frame["from"] != frame["to"], frame
            case _:
                pass

    def _turn(self, turn_id: str, *, torn: bool = False) -> Told:
        return self.told.setdefault(turn_id, Told(turn_id, torn))

    def _piece(self, frame: dict[str, Any]) -> None:
        # The beginning may be among what was on its way when the person went away.
        told = self._turn(frame["turn_id"], torn=self.missed and not frame.get("isNewMessage", False))
        assert told.interrupted is None, f"after its turn end: {frame}"
        assert not told.silenced, f"after user_activity: {frame}"
        if frame["type"] == "gemini_response":
            assert told.torn or frame["isNewMessage"] == (not told.text), frame
            told.text += frame["text"]
            question = frame["request_id"]
            if question is not None:
                assert self.answers.setdefault(question, told.turn_id) == told.turn_id, f"answered twice: {frame}"
        else:
            told.sound += pybase64.b64decode(frame["audio"])

    def _activity(self) -> None:
        self._ending = [told.turn_id for told in self.told.values() if told.interrupted is None and not told.torn]
        for told in self.told.values():
            told.silenced = True
        self.story.append("cut")

    def _end(self, frame: dict[str, Any]) -> None:
        told = self._turn(frame["turn_id"])
        assert told.interrupted is None, f"a second turn end: {frame}"
        told.interrupted = frame["interrupted"]
        if told.turn_id in self._ending:
            assert told.interrupted, frame
            self._ending.remove(told.turn_id)
        else:
            self._ending = []
        self.story.append("broken" if told.interrupted else "told")


def only_what_left(kinds: Sequence[str]) -> None:
    """Of the frames that come at once after a stall: before the last cut at most one sound that was on its way, and
    the fade of each cut."""
    cuts = [at for at, kind in enumerate(kinds) if kind == "user_activity"]
    if cuts:
        sounds = kinds[: cuts[-1]].count("audio_chunk")
        assert sounds <= 1 + len(cuts), f"{sounds} pieces of sound before the person is told to stop: {kinds}"
