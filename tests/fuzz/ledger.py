"""What the person said and was told, as the person knows it, and what must be true of it. No I/O, no time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, pairwise
from typing import Any

import pybase64
from attrs import define, field

from neko.protocol.codec import SPEECH_HZ
from neko.testing.tagged import TagReader
from tests.fuzz.witness import Ears, Said, Witness


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
    """`frame` takes each frame as it comes and objects at once; the rest is judged when everything has settled."""

    utterance_of: dict[int, int] = field(factory=dict)  # of each voiced block, the utterance that it belongs to
    utterance: int = 0
    owed_from: int = 0  # utterances before this one began before the session that runs, and may be lost with theirs
    transcripts: list[str] = field(factory=list)
    told: dict[str, Told] = field(factory=dict)
    story: list[str] = field(factory=list)  # "heard", "told", "cut": what happened, in order
    running: bool = False  # a session has started and not ended, as far as the person knows
    session_id: str = ""
    token: str = ""
    seq: int = 0
    left: int = 0  # ends that the person asked for and was not told of
    wants: bool = False  # has asked for a session, and not been told of its end
    resuming: bool = False  # the next frame says whether it is so
    anew: bool = False  # the next frame may have any number
    _ending: list[str] = field(factory=list)  # turns that were cut and whose end must come next

    def spoke(self, block: int) -> None:
        self.utterance_of[block] = self.utterance

    def fell_silent(self) -> None:
        self.utterance += 1

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
        for told in self.told.values():
            told.torn = told.torn or told.interrupted is None
        self._ending = []

    def frame(self, frame: dict[str, Any]) -> None:
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
        self.seq, self.resuming, self.anew = frame["seq"], False, False
        if self._ending:
            assert kind == "system", f"{frame} where a turn end was due"
        match kind:
            case "session_started":
                self.running, self.session_id, self.token = True, frame["session_id"], frame["resume_token"]
            case "session_failed" | "session_ended_by_server":
                self.running = False
                self.wants = self.wants and self.left > 0  # it may be the one before that is over
            case "status":
                assert frame["code"] not in {"SERVER_ERROR", "API_UNKNOWN_ERROR"}, frame
                if frame["code"] == "CHARACTER_LEFT":
                    self.running = False
                    self.left -= 1
            case "user_transcript":
                assert frame["text"] not in self.transcripts, f"{frame['text']} twice"
                self.transcripts.append(frame["text"])
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

    def _turn(self, turn_id: str) -> Told:
        return self.told.setdefault(turn_id, Told(turn_id, torn=False))

    def _piece(self, frame: dict[str, Any]) -> None:
        told = self._turn(frame["turn_id"])
        assert told.interrupted is None, f"after its turn end: {frame}"
        assert not told.silenced, f"after user_activity: {frame}"
        if frame["type"] == "gemini_response":
            assert told.torn or frame["isNewMessage"] == (not told.text), frame
            told.text += frame["text"]
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

    # --- when everything has settled ---------------------------------------------------------------------------

    def judge(self, witness: Witness, *, alive: bool) -> None:
        """`alive`: a session has run undisturbed for long enough, and nobody speaks."""
        for ears in witness.ears:
            _gapless(ears.tags, f"what {ears.session_id} heard")
        said = {block: said for said in witness.replies.values() for block in said.blocks}
        for told in self.told.values():
            _check_speech(told, said)
        heard = self._heard(witness)
        for earlier, later in pairwise(heard):
            assert earlier < later, f"the person's blocks were answered out of order or twice: {earlier} {later}"
        if alive:
            self._judge_living(set(heard))

    def _judge_living(self, heard: set[int]) -> None:
        owed = {block for block, utterance in self.utterance_of.items() if utterance >= self.owed_from}
        assert owed <= heard, f"never answered: blocks {_runs(owed - heard)}"
        unended = [told.turn_id for told in self.told.values() if told.interrupted is None and not told.torn]
        assert not unended, f"no turn end: {unended}"
        if "heard" in self.story:
            last = len(self.story) - 1 - self.story[::-1].index("heard")
            if owed:
                assert "told" in self.story[last:], f"the last utterance was not answered: {self.story[last:]}"

    def _heard(self, witness: Witness) -> list[int]:
        """The blocks of the utterances that the person knows to be understood, in the order of being told so."""
        blocks = {text: blocks for ears in witness.ears for text, blocks in self._utterances(ears)}
        return [block for text in self.transcripts for block in blocks[text]]

    def _utterances(self, ears: Ears) -> Iterable[tuple[str, list[int]]]:
        voiced = [block for block in ears.tags if block in self.utterance_of]
        groups = [list(group) for _, group in groupby(voiced, key=self.utterance_of.__getitem__)]
        assert len(ears.understood) <= len(groups), f"{ears.session_id} understood {ears.understood} in {groups}"
        return zip(ears.understood, groups, strict=False)


def _check_speech(told: Told, said: dict[int, Said]) -> None:
    blocks = told.blocks()
    if told.torn:
        assert blocks == sorted(set(blocks)), f"{told.turn_id}: {blocks}"
        return
    if blocks:
        assert blocks[0] in said, f"{told.turn_id} has sound that nobody sent: {blocks}"
        whole = said[blocks[0]]
        assert blocks == whole.blocks[: len(blocks)], f"{told.turn_id}: {blocks} of {whole.blocks}"
        assert whole.reply.text.startswith(told.text), f"{told.turn_id}: {told.text!r} of {whole.reply.text!r}"
        if told.interrupted is False:
            assert blocks == whole.blocks, f"{told.turn_id} ends after {blocks} of {whole.blocks}"
            assert told.text == whole.reply.text, f"{told.turn_id} ends after {told.text!r}"
    else:
        assert told.interrupted is not False or not told.text, f"{told.turn_id} was silent: {told.text!r}"


def _gapless(blocks: list[int], what: str) -> None:
    for earlier, later in pairwise(blocks):
        assert later == earlier + 1, f"{what}: block {later} after {earlier}"


def _runs(blocks: Iterable[int]) -> list[tuple[int, int]]:
    """Sorted numbers as (first, last) of each gapless run."""
    runs: list[tuple[int, int]] = []
    for block in sorted(blocks):
        if runs and runs[-1][1] == block - 1:
            runs[-1] = (runs[-1][0], block)
        else:
            runs.append((block, block))
    return runs
