"""pipecat's session continuation helper, unchanged, between the benchmark's client and its provider.

Run by `neko bench swap` with the Python of a virtual environment that holds pipecat-ai:
`python pipecat_handover.py PROVIDER_URL planned|forced`. The helper decides by itself when a session is replaced:

- planned: with the reply that begins after its monitor has looked (once a second), at the end of that reply.
- forced: at its monitor's second look, because no reply has begun between the two.

Around it stands what `AWSNovaSonicLLMService` of pipecat-ai 1.14.0 does around it, in the same order: `hear` is its
`_handle_input_audio_frame`, `_hand_over` its `_run_sc_handoff`, `_listen` its `_receive_task_handler`, and OpenAI's
events stand for those of Nova Sonic. The service itself needs AWS and Python 3.12.
"""
# ruff: noqa: ARG002  # the helper says what it calls with

import asyncio
import base64
import json
import sys
import time
from types import SimpleNamespace
from urllib.parse import quote

import numpy as np
import soxr
import websockets
from loguru import logger
from pipecat.services.aws.nova_sonic.session_continuation import (
    SessionContinuationHelper,
    SessionContinuationParams,
)

MIC_HZ, PROVIDER_HZ, CLIENT_HZ = 16_000, 24_000, 48_000
MODEL = "pipecat"
AT_ONCE = 0.001  # seconds; 0 would switch the helper's forced path off
EARS = {"input_sample_rate": PROVIDER_HZ, "input_sample_size": 16, "input_channel_count": 1}


class Stream:
    """A session with the provider, with the two ways to close one that the helper uses."""

    def __init__(self, websocket):
        self.websocket = websocket
        self.input_stream = self

    async def close(self):
        await self.websocket.close()


class Sender:
    """What the helper writes to a session with: its protocol `NovaSonicSessionSender`."""

    audio_config = SimpleNamespace(**EARS)

    def __init__(self, url):
        self._url = url

    def create_client(self):
        return None

    async def open_stream(self, client):
        return Stream(await websockets.connect(f"{self._url}?model={quote(MODEL)}", max_size=None, ping_interval=None))

    def build_session_start_json(self):
        return "{}"

    async def send_event(self, event_json, stream):
        pass  # Nova Sonic's words for begin and end mean nothing to this provider

    async def get_setup_params(self):
        return None, []

    async def send_prompt_start(self, tools, prompt_name, stream):
        transcription = {"model": "gpt-4o-mini-transcribe"}
        session = {"type": "realtime", "audio": {"input": {"transcription": transcription}}}
        await stream.websocket.send(json.dumps({"type": "session.update", "session": session}))

    async def send_text(self, text, role, prompt_name, stream, interactive):
        kind = "output_text" if role == "ASSISTANT" else "input_text"
        content = [{"type": kind, "text": text}]
        item = {"type": "message", "role": role.lower(), "content": content}
        await stream.websocket.send(json.dumps({"type": "conversation.item.create", "item": item}))

    async def send_audio_input_start(self, prompt_name, content_name, stream):
        pass

    async def send_audio(self, audio, prompt_name, content_name, stream):
        append = {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}
        await stream.websocket.send(json.dumps(append))


def _resampler(from_hz, to_hz):
    return soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="HQ")


def _through(resampler, pcm, last=False):
    return resampler.resample_chunk(np.frombuffer(pcm, dtype="<i2"), last=last).tobytes()


class Line:
    """One client of the benchmark."""

    def __init__(self, client, url, forced):
        self._client = client
        self._sender = Sender(url)
        self._tasks = set()
        params = SessionContinuationParams(
            transition_threshold_seconds=0, audio_start_timeout_seconds=AT_ONCE if forced else 0
        )
        self._sc = SessionContinuationHelper(
            params, sender=self._sender, create_task=self._start, cancel_task=self._cancel
        )
        self._stream = None
        self._ears = _resampler(MIC_HZ, PROVIDER_HZ)
        self._voice = _resampler(PROVIDER_HZ, CLIENT_HZ)
        self._replies = 0
        self._writing = asyncio.Lock()

    def _start(self, coroutine, name=None):
        if coroutine.__name__ == "execute_handoff":
            # The helper's forced path; only the time of it is noted.
            coroutine = self._note(coroutine)
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _note(self, coroutine):
        await coroutine
        await self._tell_swapped()

    async def _cancel(self, task, within_s):
        task.cancel()
        await asyncio.wait({task}, timeout=within_s)

    async def talk(self):
        """The client's messages, until it leaves."""
        try:
            async for frame in self._client:
                if isinstance(frame, bytes):
                    await self.hear(_through(self._ears, frame))
                elif json.loads(frame).get("action") == "start_session":
                    await self._open()
        except websockets.ConnectionClosed:
            pass
        finally:
            await self._sc.stop_monitor()
            await self._sc.cleanup_next_session()
            self._sc.set_disconnected()
            stream, self._stream = self._stream, None
            await stream.close()

    async def _open(self):
        self._stream = await self._sender.open_stream(None)
        await self._sender.send_prompt_start([], "", self._stream)
        self._start(self._listen(self._stream))
        self._sc.set_connected(time.time())
        self._sc.start_monitor()
        await self._tell({"type": "session_started", "input_mode": "audio", "resume_token": "none", "session_id": "p"})

    async def hear(self, pcm):
        if not pcm:
            return
        self._sc.on_audio_input(pcm)
        if self._sc.handoff_in_progress:
            return
        await self._sender.send_audio(pcm, "", "", self._stream)

    async def _hand_over(self):
        old = self._stream
        following = await self._sc.execute_handoff()
        if following is None:
            return
        self._stream = following.stream
        self._start(self._listen(self._stream))
        self._sc.set_connected(time.time())
        self._start(self._sc.close_old_session(None, old, None, "old", "old"))
        await self._tell_swapped()

    async def _listen(self, stream):
        spoke = False
        try:
            async for frame in stream.websocket:
                if stream is not self._stream:
                    return
                event = json.loads(frame)
                match event["type"]:
                    case "response.created":
                        spoke = False
                        self._sc.on_text_output("ASSISTANT", "SPECULATIVE")
                    case "response.output_audio.delta":
                        if not spoke:
                            await self._sc.on_assistant_audio_started()
                        spoke = True
                        await self._speak(_through(self._voice, base64.b64decode(event["delta"])))
                    case "conversation.item.input_audio_transcription.completed":
                        if self._sc.on_user_content_started():
                            self._start(self._hand_over())
                        self._sc.on_content_end_user_final_text(event["transcript"])
                    case "response.done":
                        await self._finish()
        except websockets.ConnectionClosed:
            pass

    async def _finish(self):
        await self._speak(_through(self._voice, b"", last=True))
        self._voice = _resampler(PROVIDER_HZ, CLIENT_HZ)
        turn, self._replies = f"t{self._replies}", self._replies + 1
        self._sc.on_text_output("ASSISTANT", "FINAL")
        if self._sc.on_content_end_assistant_final_text("Nice to meet you."):
            self._start(self._hand_over())
        await self._tell({"type": "system", "data": "turn end", "turn_id": turn, "interrupted": False})

    async def _speak(self, pcm):
        if pcm:
            header = {"type": "audio_chunk", "speech_id": f"s{self._replies}", "turn_id": f"t{self._replies}"}
            async with self._writing:
                await self._client.send(json.dumps(header))
                await self._client.send(pcm)

    async def _tell_swapped(self):
        numbers = {"gap_ms": 0.0, "lost_ms": 0.0, "state_restored": True}
        await self._tell({"type": "neko.session_swapped", "reason": "age", "from": "old", "to": "new"} | numbers)

    async def _tell(self, message):
        async with self._writing:
            await self._client.send(json.dumps(message))


async def main(url, forced):
    async def serve(client):
        await Line(client, url, forced).talk()

    async with websockets.serve(serve, "127.0.0.1", 0, max_size=None, ping_interval=None) as server:
        print(f"ready: talk at http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await asyncio.get_running_loop().create_future()


logger.remove()
asyncio.run(main(sys.argv[1], sys.argv[2] == "forced"))
