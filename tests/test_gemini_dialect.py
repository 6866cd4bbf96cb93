"""`GeminiDialect` alone: what it writes for each command, and what it makes of frames.

The frames have the shapes of Google's reference, https://ai.google.dev/api/live, and of the sessions logged in
https://github.com/googleapis/python-genai/issues/1224 and https://github.com/maximhq/bifrost/pull/4988.
"""

from __future__ import annotations

from typing import Any

import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neko.realtime.dialects.base import Setup
from neko.realtime.dialects.gemini import GeminiDialect
from neko.realtime.errors import Arrears, KeyRejected, Misconfigured, ProviderError, RateLimited, SessionExpired
from neko.realtime.session import (
    AudioDelta,
    Expiring,
    GoOn,
    Hear,
    Interrupt,
    Line,
    ModelCommand,
    ModelEvent,
    ReplyDone,
    ReplyStarted,
    ReplyStatus,
    Resumable,
    Say,
    See,
    SpeechStarted,
    SpeechStopped,
    Tell,
    TextDelta,
    Tool,
    ToolCalled,
    ToolResult,
    UserSaid,
)

Frame = dict[str, Any]
SETUP = Setup("You are Mimi.", "default", "ja", "gemini-3.8-live")
PCM = b"\x01\x00" * 4
DONE, CANCELLED = ReplyStatus.COMPLETED, ReplyStatus.CANCELLED


def content(**fields: Any) -> Frame:
    return {"serverContent": fields}


def heard(text: str) -> Frame:
    return content(inputTranscription={"text": text})


def words(text: str) -> Frame:
    return content(outputTranscription={"text": text})


def sound(pcm: bytes = PCM) -> Frame:
    data = pybase64.b64encode_as_string(pcm)
    return content(modelTurn={"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}]})


INTERRUPTED = content(interrupted=True)
GENERATED = content(generationComplete=True)
COMPLETE = content(turnComplete=True)


class Played:
    """A dialect, and what was written to it and read from it. Replies are numbered in place of their ids."""

    def __init__(self, *, speaks: bool = True, setup: Setup = SETUP) -> None:
        self.dialect = GeminiDialect(speaks=speaks)
        self.written = list(self.dialect.open(setup))
        self.prefix = self.dialect.opened({"setupComplete": {}})

    def reads(self, *frames: Frame) -> list[ModelEvent]:
        return [event for frame in frames for event in self.dialect.read(frame)]

    def writes(self, command: ModelCommand) -> list[Frame]:
        return list(self.dialect.write(command))

    def reply(self, number: int) -> str:
        return f"{self.prefix}_{number}"

    def cut(self, number: int, heard_text: str = "") -> list[Frame]:
        reply = self.reply(number)
        return self.writes(Interrupt(reply, reply, running=True, heard_ms=0, heard_text=heard_text))


# --- what is written --------------------------------------------------------------------------------------------


def test_the_setup_says_what_the_session_is_to_be() -> None:
    lines = [Line("system", "It is Monday."), Line("user", "Hi"), Line("assistant", "Hello you!")]
    tool = Tool("weather", "Tells it.", {"type": "object", "properties": {"city": {"type": "string"}}})
    played = Played(setup=Setup("You are Mimi.", "Kore", "ja", "gemini-3.8-live", lines, [tool]))
    [frame] = played.written
    setup = frame["setup"]
    assert setup["model"] == "models/gemini-3.8-live"
    assert setup["generationConfig"] == {
        "responseModalities": ["AUDIO"],
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    }
    [part] = setup["systemInstruction"]["parts"]
    first, language, last = part["text"].split("\n\n")
    assert (first, last) == ("You are Mimi.", "It is Monday.")
    assert '"ja"' in language
    assert setup["inputAudioTranscription"] == setup["outputAudioTranscription"] == {}
    [history, _] = played.writes(Hear(PCM))
    assert [turn["parts"][0]["text"] for turn in history["clientContent"]["turns"]] == ["Hi", "Hello you!"]
    assert setup["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "Tells it.",
                    "behavior": "BLOCKING",
                    "parametersJsonSchema": {"type": "object", "properties": {"city": {"type": "string"}}},
                }
            ]
        }
    ]


@pytest.mark.parametrize(("speaks", "voice"), [(True, "default"), (False, "hibari")])
def test_without_a_voice_of_google_s_none_is_named(speaks: bool, voice: str) -> None:
    [frame] = Played(speaks=speaks, setup=Setup("", voice, "en", "models/other")).written
    assert frame["setup"]["generationConfig"] == {"responseModalities": ["AUDIO"]}
    assert frame["setup"]["model"] == "models/other"
    assert "tools" not in frame["setup"]


def test_earlier_lines_go_before_the_first_command_and_ask_for_nothing() -> None:
    played = Played(setup=Setup("", "default", "en", "m", [Line("user", "Hi"), Line("assistant", "Hello you!")]))
    [history, audio] = played.writes(Hear(PCM))
    hi = {"role": "user", "parts": [{"text": "Hi"}]}
    hello = {"role": "model", "parts": [{"text": "Hello you!"}]}
    assert history == {"clientContent": {"turns": [hi, hello]}}
    assert audio == {
        "realtimeInput": {
            "audio": {"mimeType": "audio/pcm;rate=16000", "data": pybase64.b64encode_as_string(PCM)},
        }
    }
    assert played.writes(Hear(PCM)) == [audio]


def test_priming_tells_what_was_not_told_once() -> None:
    played = Played(setup=Setup("", "default", "en", "m", [Line("user", "Hi")]))
    [frame] = played.dialect.prime([Line("system", "He left."), Line("assistant", "Bye")])
    assert [(turn["role"], turn["parts"][0]["text"]) for turn in frame["clientContent"]["turns"]] == [
        ("user", "Hi"),
        ("user", "[He left.]"),
        ("model", "Bye"),
    ]
    assert "turnComplete" not in frame["clientContent"]
    assert list(played.dialect.prime([])) == []


def test_what_asks_for_an_answer_completes_the_turn() -> None:
    played = Played()
    [say] = played.writes(Say("What is new?", "q1"))
    assert say == {
        "clientContent": {"turns": [{"role": "user", "parts": [{"text": "What is new?"}]}], "turnComplete": True}
    }
    [tell] = played.writes(Tell("The tea is ready."))
    assert tell["clientContent"]["turns"] == [{"role": "user", "parts": [{"text": "[The tea is ready.]"}]}]
    assert played.writes(GoOn()) == [{"clientContent": {"turnComplete": True}}]


def test_a_picture_is_shown_and_asks_for_nothing() -> None:
    assert Played().writes(See("data:image/jpeg;base64,/9j/4AA=")) == [
        {"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "/9j/4AA="}}}
    ]


@pytest.mark.parametrize(
    ("output", "response"),
    [('{"sky":"clear"}', {"sky": "clear"}), ("clear", {"output": "clear"}), ("[1]", {"output": [1]})],
)
def test_a_tool_s_result_is_an_object(output: str, response: Frame) -> None:
    assert Played().writes(ToolResult("c1", "weather", output)) == [
        {"toolResponse": {"functionResponses": [{"id": "c1", "name": "weather", "response": response}]}}
    ]


def test_a_call_that_was_withdrawn_is_not_answered() -> None:
    played = Played()
    assert played.reads({"toolCallCancellation": {"ids": ["c1"]}}) == []
    assert played.writes(ToolResult("c1", "weather", "{}")) == []
    assert len(played.writes(ToolResult("c2", "weather", "{}"))) == 1


def test_the_next_words_say_what_was_heard_of_a_reply_that_was_cut() -> None:
    played = Played()
    played.reads(words("Once upon a time"), sound())
    assert played.cut(1, "Once upon") == []
    [say] = played.writes(Say("Stop."))
    assert [turn["parts"][0]["text"] for turn in say["clientContent"]["turns"]] == [
        '[The person cut your last reply short and heard only: "Once upon"]',
        "Stop.",
    ]
    [again] = played.writes(Say("Well?"))
    assert len(again["clientContent"]["turns"]) == 1


def test_the_key_is_in_a_header_and_the_address_stays_as_it_is() -> None:
    dialect = GeminiDialect()
    assert dialect.headers("secret") == {"x-goog-api-key": "secret"}
    assert dialect.headers(None) == {}
    assert dialect.url("wss://host/path?a=b", "gemini-3.8-live") == "wss://host/path?a=b"


def test_facts() -> None:
    facts = GeminiDialect().facts
    assert (facts.hears_hz, facts.speaks_hz, facts.max_session_s) == (16_000, 24_000, 600)
    assert (facts.sees, facts.tells_speech) == (True, False)
    assert GeminiDialect(speaks=False, max_session_s=60).facts.speaks_hz is None
    assert GeminiDialect(speaks=False, max_session_s=60).facts.max_session_s == 60


# --- what is read -----------------------------------------------------------------------------------------------


def test_golden_transcript_of_two_turns_with_a_barge_in() -> None:
    """Shapes and order as in the logs named above; the words and the sound are ours."""
    played = Played()
    one, two = played.reply(1), played.reply(2)
    golden: list[tuple[Frame, list[ModelEvent]]] = [
        ({"setupComplete": {}}, []),
        ({"usageMetadata": {"promptTokenCount": 147}, "serverContent": {}}, []),
        (heard(" Tell me"), [SpeechStarted()]),
        (heard(" a story."), []),
        (content(modelTurn={"parts": [{"text": "**Planning**", "thought": True}]}), []),
        (sound(), [SpeechStopped(), UserSaid("Tell me a story."), ReplyStarted(one), AudioDelta(one, one, PCM)]),
        (words("Once upon"), [TextDelta(one, "Once upon")]),
        (content(**sound()["serverContent"], outputTranscription={"text": " a time"}), [
            TextDelta(one, " a time"),
            AudioDelta(one, one, PCM),
        ]),
        (INTERRUPTED, [SpeechStarted(), ReplyDone(one, CANCELLED)]),
        (words(" there"), []),
        (sound(), []),
        ({**COMPLETE, "usageMetadata": {"totalTokenCount": 573}}, []),
        (heard("Stop."), []),
        (words("Fine."), [SpeechStopped(), UserSaid("Stop."), ReplyStarted(two), TextDelta(two, "Fine.")]),
        (sound(), [AudioDelta(two, two, PCM)]),
        (GENERATED, []),
        (COMPLETE, [ReplyDone(two, DONE)]),
        ({"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}}, [Resumable("h")]),
        ({"goAway": {"timeLeft": "9.5s"}}, [Expiring(9.5)]),
    ]  # fmt: skip
    for frame, events in golden:
        assert played.reads(frame) == events, frame


def test_a_late_transcription_is_no_barge_in() -> None:
    """Google gives no order between an utterance's words and the answer."""
    played = Played()
    one = played.reply(1)
    assert played.reads(sound(), heard("Hello"), heard(" there."), GENERATED, COMPLETE) == [
        ReplyStarted(one),
        AudioDelta(one, one, PCM),
        UserSaid("Hello there."),
        ReplyDone(one, DONE),
    ]


def test_the_words_of_a_reply_may_come_before_its_sound_and_before_the_question() -> None:
    played = Played()
    one = played.reply(1)
    assert played.reads(words("Hi "), words("you."), sound(), COMPLETE) == [
        ReplyStarted(one),
        TextDelta(one, "Hi you."),
        AudioDelta(one, one, PCM),
        ReplyDone(one, DONE),
    ]


def test_the_late_end_of_a_reply_s_words_begins_no_other() -> None:
    played = Played()
    played.reads(sound(), COMPLETE)
    assert played.reads(words(" late")) == []
    two = played.reply(2)
    played.writes(Say("And?"))
    assert played.reads(words("Well."), COMPLETE) == [ReplyStarted(two), TextDelta(two, "Well."), ReplyDone(two, DONE)]


def test_the_late_end_of_a_reply_s_words_is_not_the_begin_of_the_next() -> None:
    played = Played()
    two = played.reply(2)
    played.reads(sound(), COMPLETE, words(" late"))
    assert played.reads(heard("And?"), sound(), COMPLETE, sound())[1:-2] == [
        SpeechStopped(),
        UserSaid("And?"),
        ReplyStarted(two),
        AudioDelta(two, two, PCM),
        ReplyDone(two, DONE),
    ]


def test_words_that_lag_behind_their_sound_stay_with_their_reply() -> None:
    played = Played()
    one = played.reply(1)
    assert played.reads(sound(), heard("Hello"), GENERATED, words("Hi."), COMPLETE)[2:] == [
        TextDelta(one, "Hi."),
        UserSaid("Hello"),
        ReplyDone(one, DONE),
    ]


def test_held_words_and_a_request_are_used_once() -> None:
    played = Played()
    one, two = played.reply(1), played.reply(2)
    assert played.reads(words("Hi."), sound(), COMPLETE)[1] == TextDelta(one, "Hi.")
    assert played.reads(sound(), COMPLETE) == [ReplyStarted(two), AudioDelta(two, two, PCM), ReplyDone(two, DONE)]
    played.writes(Say("And?", "q1"))
    played.reads(sound(), COMPLETE)
    assert played.reads(COMPLETE) == []
    assert played.reads(sound())[0] == ReplyStarted(played.reply(4))


def test_speech_is_told_once_when_its_words_come_before_the_interruption() -> None:
    played = Played()
    played.reads(sound(), GENERATED)
    assert played.reads(heard("Stop"), INTERRUPTED, heard("!")) == [
        SpeechStarted(),
        ReplyDone(played.reply(1), CANCELLED),
    ]


def test_after_an_interrupted_turn_is_complete_nothing_is_dropped() -> None:
    played = Played()
    played.reads(sound(), INTERRUPTED)
    assert played.reads(sound()) == []
    assert played.reads(COMPLETE, sound())[-2:] == [
        ReplyStarted(played.reply(2)),
        AudioDelta(played.reply(2), played.reply(2), PCM),
    ]


def test_silence_is_an_answer_to_a_tool_as_well() -> None:
    played = Played()
    played.reads(sound(), INTERRUPTED, heard("Rain?"), {"toolCall": {"functionCalls": [{"id": "c1", "name": "w"}]}})
    played.writes(ToolResult("c1", "w", "{}"))
    assert played.reads(COMPLETE) == [ReplyStarted(played.reply(3)), ReplyDone(played.reply(3), DONE)]


def test_only_sound_is_played() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0="}}
    assert Played().reads(content(modelTurn={"role": "model", "parts": [picture]})) == []


def test_typed_words_replace_a_reply_without_pretending_that_somebody_spoke() -> None:
    played = Played()
    one, two = played.reply(1), played.reply(2)
    played.reads(sound())
    played.cut(1)
    played.writes(Say("Stop.", "q2"))
    assert played.reads(sound(), words("rest")) == []
    assert played.reads(INTERRUPTED, COMPLETE) == [ReplyDone(one, CANCELLED)]
    assert played.reads(sound()) == [ReplyStarted(two, "q2"), AudioDelta(two, two, PCM)]


def test_a_cut_reply_that_google_says_to_the_end_ends_cancelled() -> None:
    played = Played()
    played.reads(sound())
    played.cut(1)
    assert played.reads(sound(), words("rest"), GENERATED, COMPLETE) == [ReplyDone(played.reply(1), CANCELLED)]


def test_a_cut_of_a_reply_that_is_over_changes_nothing() -> None:
    played = Played()
    two = played.reply(2)
    played.reads(sound(), COMPLETE, sound())
    played.cut(1)
    assert played.reads(sound()) == [AudioDelta(two, two, PCM)]


@pytest.mark.parametrize("interruption", [(), (INTERRUPTED,)])
def test_a_turn_complete_that_never_comes(interruption: tuple[Frame, ...]) -> None:
    played = Played()
    one, two = played.reply(1), played.reply(2)
    played.reads(sound(), GENERATED)
    events = played.reads(*interruption, heard("And now?"), sound(), COMPLETE)
    assert [event for event in events if isinstance(event, ReplyDone)] == [
        ReplyDone(one, CANCELLED if interruption else DONE),
        ReplyDone(two, DONE),
    ]
    assert events.count(SpeechStarted()) == events.count(SpeechStopped()) == 1
    assert events[-5:] == [
        SpeechStopped(),
        UserSaid("And now?"),
        ReplyStarted(two),
        AudioDelta(two, two, PCM),
        ReplyDone(two, DONE),
    ]


def test_a_model_that_chooses_to_say_nothing_has_answered() -> None:
    played = Played()
    one = played.reply(1)
    assert played.reads(heard("Hm."), COMPLETE) == [
        SpeechStarted(),
        SpeechStopped(),
        UserSaid("Hm."),
        ReplyStarted(one),
        ReplyDone(one, DONE),
    ]
    assert played.reads(COMPLETE) == []


def test_a_tool_is_called_and_the_answer_is_another_reply() -> None:
    played = Played()
    one, two = played.reply(1), played.reply(2)
    call = {"id": "c1", "name": "weather", "args": {"city": "Kobe"}}
    assert played.reads(heard("Rain?"), {"toolCall": {"functionCalls": [call]}}, COMPLETE) == [
        SpeechStarted(),
        SpeechStopped(),
        UserSaid("Rain?"),
        ReplyStarted(one),
        ToolCalled("c1", "weather", '{"city":"Kobe"}', one),
        ReplyDone(one, DONE),
    ]
    played.writes(ToolResult("c1", "weather", "{}"))
    assert played.reads(words("No."), COMPLETE) == [ReplyStarted(two), TextDelta(two, "No."), ReplyDone(two, DONE)]


def test_where_another_voice_speaks_only_the_words_count() -> None:
    played = Played(speaks=False)
    one = played.reply(1)
    assert played.reads(sound(), words("Hi."), sound(), GENERATED, COMPLETE) == [
        ReplyStarted(one),
        TextDelta(one, "Hi."),
        ReplyDone(one, DONE),
    ]


@pytest.mark.parametrize(
    ("go_away", "in_s"), [({"timeLeft": "60s"}, 60), ({"timeLeft": "0.250s"}, 0.25), ({}, 0), ({"timeLeft": "soon"}, 0)]
)
def test_time_left(go_away: Frame, in_s: float) -> None:
    assert Played().reads({"goAway": go_away}) == [Expiring(in_s)]


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (1007, "API key not valid. Please pass a valid API key.", KeyRejected),
        (1007, "API key expired. Please renew the API key.", KeyRejected),
        (1008, "Method doesn't allow unregistered callers (callers without established identity).", KeyRejected),
        (1011, "Your prepayment credits are depleted. Please go to AI Studio to manage your project.", Arrears),
        (1011, "You exceeded your current quota, please check your plan and billing details.", RateLimited),
        (1008, "models/x is not found for API version v1beta, or is not supported.", Misconfigured),
        (
            1008,
            "Connection aborted because the client failed to close it after receiving a GoAway signal",
            SessionExpired,
        ),
        (1008, "Something else.", None),
        (1011, "Internal error encountered.", None),
    ],
)
def test_why_a_session_was_closed(code: int, reason: str, kind: type[ProviderError] | None) -> None:
    failure = GeminiDialect().failure({"close": {"code": code, "reason": reason}})
    assert type(failure) is (kind or type(None))
    if failure is not None:
        assert reason in failure.details


def test_a_close_after_the_announced_end_is_that_end() -> None:
    played = Played()
    played.reads({"goAway": {"timeLeft": "1s"}})
    assert type(played.dialect.failure({"close": {"code": 1008, "reason": "Aborted."}})) is SessionExpired


def test_an_error_frame_ends_the_session() -> None:
    error = {"error": {"code": 429, "message": "Resource has been exhausted.", "status": "RESOURCE_EXHAUSTED"}}
    assert type(GeminiDialect().failure(error)) is RateLimited
    assert GeminiDialect().failure({"serverContent": {}}) is None


# --- whatever comes ---------------------------------------------------------------------------------------------

FRAMES = [
    heard("Hm. "),
    words("Well. "),
    sound(),
    INTERRUPTED,
    GENERATED,
    COMPLETE,
    {"toolCall": {"functionCalls": [{"id": "c1", "name": "weather", "args": {}}]}},
]
COMMANDS = [Hear(PCM), Say("Hello?", "q"), GoOn(), ToolResult("c1", "weather", "{}")]


@given(st.lists(st.sampled_from([*FRAMES, *COMMANDS, "cut"]), max_size=30))
def test_replies_and_utterances_are_whole_whatever_comes(
    steps: list[Frame | ModelCommand | str],
) -> None:
    played, running, over, speaking, told = Played(), None, set[str](), False, ""
    for step in steps:
        if step == "cut" and running is not None:
            played.writes(Interrupt(running, running, running=True, heard_ms=0, heard_text=""))
        elif isinstance(step, Hear | Say | GoOn | ToolResult):
            played.writes(step)
        for event in played.reads(step) if isinstance(step, dict) else ():
            match event:
                case ReplyStarted(reply):
                    assert running is None
                    assert reply not in over
                    running = reply
                case TextDelta(reply) | AudioDelta(reply):
                    assert reply == running
                case ReplyDone(reply):
                    assert reply == running
                    over.add(reply)
                    running = None
                case SpeechStarted():
                    assert not speaking
                    speaking = True
                case SpeechStopped():
                    assert speaking
                    speaking = False
                case UserSaid(text):
                    told += text
                case _:
                    assert isinstance(event, ToolCalled)
    # What was heard is told, whole and once, with the next answer at the latest.
    played.writes(GoOn())
    for event in played.reads(COMPLETE, COMPLETE, sound(), COMPLETE):
        told += event.text if isinstance(event, UserSaid) else ""
    assert told.count("Hm.") == steps.count(heard("Hm. "))


def test_all_answers_to_a_reply_go_in_one_frame() -> None:
    played = Played()
    assert played.writes(ToolResult("c1", "weather", "{}", asks=False)) == []
    [frame] = played.writes(ToolResult("c2", "time", "{}"))
    assert [each["id"] for each in frame["toolResponse"]["functionResponses"]] == ["c1", "c2"]


def test_what_became_of_the_calls_of_a_turn_that_was_cut_is_told_with_the_next_words() -> None:
    played = Played()
    assert played.writes(ToolResult("c1", "weather", "Cancelled.", asks=False)) == []
    [frame] = played.writes(Say("Stop."))
    assert [part["text"] for turn in frame["clientContent"]["turns"] for part in turn["parts"]] == [
        "[The tool weather, which you asked for before, answers: Cancelled.]",
        "Stop.",
    ]
