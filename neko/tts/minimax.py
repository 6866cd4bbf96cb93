"""MiniMax T2A: server-sent events with PCM in hexadecimal.

https://platform.minimax.io/docs/api-reference/speech-t2a-http, read in November 2026; in China the address is
https://api.minimaxi.com/v1.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from attrs import frozen

from neko.tts.errors import VoiceFailed
from neko.tts.events import events
from neko.tts.remote import RemoteVoice
from neko.tts.setup import PLAIN, Setup

COMPLETE = 2  # the `status` of the last event; what sound it has is all of it once more
NO_KEY = {1004: "refused the API key", 2049: "refused the API key", 1008: "wants to be paid"}


@frozen
class MiniMaxVoice(RemoteVoice):
    """A `Voice`. The option `voice_setting` is laid over the voice's id, others are fields of the request."""

    KIND = "minimax"
    URL = "https://api.minimax.io/v1"
    MODEL = "speech-2.8-turbo"
    VOICE = "English_Graceful_Lady"

    def sound(self, text: str) -> Generator[bytes]:
        with self.setup.lines.post(self.who, f"{self.url}/t2a_v2", self.setup.bearer, self._request(text)) as answer:
            yield from self._pcm(answer)

    def _request(self, text: str) -> dict[str, Any]:
        body = self.setup.options(model=self.model, text=text, stream=True, output_format="hex")
        setting = body.get("voice_setting")
        body["voice_setting"] = {"voice_id": self.speaker} | (setting if isinstance(setting, dict) else {})
        body["audio_setting"] = {"format": "pcm", "sample_rate": self.rate, "channel": 1}
        return body | {"stream_options": {"exclude_aggregated_audio": True}}

    def _pcm(self, answer: Iterator[bytes]) -> Iterator[bytes]:
        for event in events(self.who, answer):
            match event:
                case {"base_resp": {"status_code": int(code), "status_msg": str(message)}} if code:
                    raise VoiceFailed(self.who, f"{NO_KEY.get(code, 'says')}: {message} ({code})", code in NO_KEY)
                case {"data": {"status": status}} if status == COMPLETE:
                    return
                case {"data": {"audio": str(sound)}}:
                    yield self._bytes(sound)
        raise VoiceFailed(self.who, "broke off")

    def _bytes(self, sound: str) -> bytes:
        try:
            return bytes.fromhex(sound)
        except ValueError as error:
            raise VoiceFailed(self.who, f"sent sound that is no hexadecimal ({error})") from error


def open_voice(voice_id: str, setup: Setup = PLAIN) -> MiniMaxVoice:
    """Any id is taken, also one of a cloned voice."""
    return MiniMaxVoice(voice_id, setup)
