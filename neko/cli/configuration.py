"""The configuration of a command that runs a house."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from attrs import evolve

from neko.app.watching import Source
from neko.config.find import data_folder, find_configuration, usual_places
from neko.config.manager import ConfigManager
from neko.config.read import BUILT_IN, built_in, read_configuration
from neko.config.store import OverrideStore

if TYPE_CHECKING:
    from pathlib import Path

    from neko.config.model import AudioFrames, Configuration


def load_configuration(explicit: Path | None, audio_frames: AudioFrames | None = None) -> ConfigManager:
    """What `--config` and the usual places say, with the overrides kept in the data folder. Raises ConfigError.

    `audio_frames` is the command line's word on server.audio_frames.
    """
    path = find_configuration(explicit, os.environ)
    configuration = _with_frames(audio_frames, built_in() if path is None else read_configuration(path))
    store = OverrideStore.in_folder(data_folder(configuration.server, os.environ))
    return ConfigManager(configuration, store, BUILT_IN if path is None else str(path))


def find_source(explicit: Path | None, audio_frames: AudioFrames | None = None) -> Source:
    """What a house has to watch that was given that configuration; asked after it was loaded. Raises ConfigError."""
    path = find_configuration(explicit, os.environ)
    return Source(usual_places() if path is None else (path,), partial(_with_frames, audio_frames))


def _with_frames(audio_frames: AudioFrames | None, configuration: Configuration) -> Configuration:
    if audio_frames is None:
        return configuration
    return evolve(configuration, server=evolve(configuration.server, audio_frames=audio_frames))
