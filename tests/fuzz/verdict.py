"""What must be true of a conversation when everything has settled. No I/O, no time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby, pairwise

from attrs import define

from neko.testing.exchange import Ending
from tests.fuzz.ledger import Ledger, Told
from tests.fuzz.witness import Ears, Said, Witness


@define
class Verdict:
    """Over what the person knows and what the providers know."""

    ledger: Ledger
    witness: Witness

    def pass_on(self, *, alive: bool) -> None:
        """`alive`: a session has run undisturbed for long enough, and nobody speaks."""
        for ears in self.witness.ears:
            _gapless(ears.tags, self.ledger.starts, f"what {ears.session_id} heard")
        self._judge_replies()
        heard = self._heard()
        in_order = [block for blocks in heard for block in blocks]
        for earlier, later in pairwise(in_order):
            assert earlier < later, f"the person's blocks were answered out of order or twice: {earlier} {later}"
        for blocks, at in zip(heard, self.ledger.known_at, strict=True):
            again = set(self.witness.heard[at:]) & set(blocks)
            assert not again, f"given to another session although it was understood: blocks {_runs(again)}"
        if alive:
            self._judge_living(set(in_order))

    def _judge_replies(self) -> None:
        said = {block: said for said in self.witness.replies.values() for block in said.blocks}
        news = Counter[str]()
        for told in self.ledger.told.values():
            _check_speech(told, said)
            blocks = told.blocks()
            if blocks:
                news.update(said[blocks[0]].news)
        twice = [each for each, times in news.items() if times > 1]
        assert not twice, f"told twice: {twice}"

    def _judge_living(self, heard: set[int]) -> None:
        ledger = self.ledger
        owed = {block for block, utterance in ledger.utterance_of.items() if utterance >= ledger.owed_from}
        assert owed <= heard, f"never answered: blocks {_runs(owed - heard)}"
        unended = [told.turn_id for told in ledger.told.values() if told.interrupted is None and not told.torn]
        assert not unended, f"no turn end: {unended}"
        asked = [at for at, what in enumerate(ledger.story) if what in {"heard", "typed"}]
        replies = list(self.witness.replies.values())
        # Where a cancel cannot name its reply it may meet the next one, which a lag of an utterance makes possible.
        if asked and not (replies and replies[-1].ending is Ending.CLIENT_CANCELLED):
            assert "told" in ledger.story[asked[-1] :], f"the last words were not answered: {ledger.story[asked[-1] :]}"

    def _heard(self) -> list[list[int]]:
        """The blocks of each utterance that the person knows to be understood, in the order of being told so."""
        blocks = {text: blocks for ears in self.witness.ears for text, blocks in self._utterances(ears)}
        return [blocks[text] for text in self.ledger.transcripts]

    def _utterances(self, ears: Ears) -> Iterable[tuple[str, list[int]]]:
        of = self.ledger.utterance_of
        groups = [list(group) for _, group in groupby((tag for tag in ears.tags if tag in of), key=of.__getitem__)]
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


def _gapless(blocks: list[int], starts: list[int], what: str) -> None:
    """What a person said who went away before a session ran is lost, and so may be the end of it alone."""
    for earlier, later in pairwise(blocks):
        anew = any(earlier < start <= later for start in starts)
        assert later == earlier + 1 or anew, f"{what}: block {later} after {earlier}"


def _runs(blocks: Iterable[int]) -> list[tuple[int, int]]:
    """Sorted numbers as (first, last) of each gapless run."""
    runs: list[tuple[int, int]] = []
    for block in sorted(blocks):
        if runs and runs[-1][1] == block - 1:
            runs[-1] = (runs[-1][0], block)
        else:
            runs.append((block, block))
    return runs
