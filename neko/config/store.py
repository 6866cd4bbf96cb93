"""The file that keeps overrides: `overrides.json` in the data folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

import orjson
from attrs import frozen
from cattrs.errors import BaseValidationError

from neko.config.converter import CONVERTER
from neko.config.errors import ConfigError, Refused, StorageError
from neko.config.explain import explain
from neko.config.overrides import Override, Overrides

if TYPE_CHECKING:
    from pathlib import Path


@frozen
class OverrideStore:
    """Reads and writes one file, a few kilobytes, in one go; ConfigError when it cannot, StorageError for a write."""

    path: Path

    @classmethod
    def in_folder(cls, folder: Path) -> OverrideStore:
        return cls(folder / "overrides.json")

    @property
    def folder(self) -> Path:
        return self.path.parent

    def load(self) -> Overrides:
        """What was saved last, nothing when there is no file. A file that makes no sense is left as it is."""
        try:
            raw = orjson.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError(str(self.path), f"cannot be read: {error.strerror}") from error
        except orjson.JSONDecodeError as error:
            raise ConfigError(str(self.path), f"not valid JSON: {error}; correct it or move it away") from error
        try:
            return CONVERTER.structure(raw, Mapping[str, Mapping[str, Override]])  # type: ignore[type-abstract]
        except (BaseValidationError, Refused) as error:
            raise explain(error, str(self.path)) from error

    def require_writable(self) -> None:
        """Makes the folder as the first `save` would. Raises StorageError when it cannot take a file."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Permissions do not tell: a full or read-only disk refuses root too.
            with tempfile.TemporaryFile(dir=self.path.parent) as file:
                file.write(b"{}")
        except OSError as error:
            raise StorageError(str(self.path), error.strerror) from error

    def save(self, overrides: Overrides) -> None:
        """Replace the file; after a crash it is the old one or the new one."""
        written = orjson.dumps(CONVERTER.unstructure(overrides), option=orjson.OPT_INDENT_2)
        beside = self.path.with_name(self.path.name + ".new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                file.write(written)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except OSError as error:
            raise StorageError(str(self.path), error.strerror) from error
