"""The configuration in force, and the only two ways it changes: a re-read file and the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

from neko.config.converter import CONVERTER
from neko.config.errors import ConfigError, UnknownCharacter, shown
from neko.config.explain import dotted
from neko.config.overrides import Overrides, differences, flat, overlaid, overlay, still_valid
from neko.config.snapshot import Snapshot, take_snapshot
from neko.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neko.config.model import Character, Configuration
    from neko.config.store import OverrideStore

log = get_logger("config")

RESTART = ("server", "agents")  # sections that hold from the start of the process to its end
REQUEST = "request"  # what a ConfigError names instead of a file when a change over the API is refused


@frozen
class Change:
    """What a re-read file means for what is running.

    `touched` are the characters that go on with another snapshot, `restart` the sections in which the file says
    something else than what holds until a restart.
    """

    touched: frozenset[str]
    added: frozenset[str]
    removed: frozenset[str]
    restart: tuple[str, ...]


class ConfigManager:
    """Sync and in one piece: each method leaves one complete configuration or, when it raises, the one from before.

    The file system is touched by the constructor, `change`, `drop_overrides` and `replace` (one small file). `source`
    is what the configuration was read from, for messages.
    """

    def __init__(
        self, configuration: Configuration, overrides_store: OverrideStore, source: str = "configuration"
    ) -> None:
        self._source = source
        self._store = overrides_store
        self._overrides: Overrides = overrides_store.load()
        self._adopt_file(configuration)

    @property
    def configuration(self) -> Configuration:
        """The one in force: the file's with the overrides."""
        return self._configuration

    @property
    def names(self) -> tuple[str, ...]:
        """The characters, in the order of the file."""
        return tuple(self._configuration.characters)

    @property
    def first(self) -> str:
        return self.names[0]

    @property
    def store(self) -> OverrideStore:
        """Where the overrides are kept."""
        return self._store

    @property
    def source(self) -> str:
        """What the file's own part of it was read from."""
        return self._source

    def origin(self, name: str, key: str) -> str:
        """What says a character's key: the file, or the overrides that lie over it."""
        return str(self._store.path) if key in self._overrides.get(name, {}) else self._source

    def snapshot(self, name: str) -> Snapshot:
        """A character as it is now; UnknownCharacter when there is none of that name."""
        return take_snapshot(self._configuration, name)

    def snapshot_with(self, name: str, keys: Mapping[str, object]) -> Snapshot:
        """A character with some keys changed for one session; ConfigError says which is wrong."""
        if not keys:
            return self.snapshot(name)
        self._character(name)
        character = overlaid(self._configuration, name, dict(keys), REQUEST)
        changed = evolve(self._configuration, characters={**self._configuration.characters, name: character})
        return take_snapshot(changed, name)

    def describe(self, name: str) -> dict[str, object]:
        """The whole character with its name, ready for JSON; `change` takes all of it back."""
        table: dict[str, object] = CONVERTER.unstructure(self._character(name))
        return {"name": name} | table

    def change(self, name: str, keys: Mapping[str, object]) -> Character:
        """Lay `keys` over the file until they change there.

        Raises, and changes nothing:
            ConfigError: a key is wrong, the sentence says which.
            StorageError: the change cannot be kept.
        """
        character = self._changed(name, keys)
        changed = {**self._overrides, name: differences(self._file.characters[name], character)}
        self._adopt(self._file, changed, REQUEST)
        return self._character(name)

    def proposed(self, name: str, keys: Mapping[str, object]) -> Snapshot:
        """What `change` would put in force, judged as there; nothing is changed."""
        changed = {**self._configuration.characters, name: self._changed(name, keys)}
        return take_snapshot(evolve(self._configuration, characters=changed), name)

    def _changed(self, name: str, keys: Mapping[str, object]) -> Character:
        self._character(name)
        asked = {key: value for key, value in flat(keys).items() if key != "name"}
        if keys.get("name", name) != name:
            problem = f"{dotted(('characters', name, 'name'))} is {shown(keys['name'])}; accepted: only {shown(name)}"
            raise ConfigError(REQUEST, problem)
        before = {key: override.value for key, override in self._overrides.get(name, {}).items()}
        return overlaid(self._file, name, before | asked, REQUEST)

    def drop_overrides(self, name: str) -> Character:
        """Back to what the file says about a character."""
        self._character(name)
        rest = {other: keys for other, keys in self._overrides.items() if other != name}
        self._adopt(self._file, rest, str(self._store.path))
        return self._character(name)

    def said_by_file(self, name: str) -> Snapshot:
        """What `drop_overrides` would put in force; nothing is changed."""
        self._character(name)
        changed = {**self._configuration.characters, name: self._file.characters[name]}
        return take_snapshot(evolve(self._configuration, characters=changed), name)

    def foreseen(self, configuration: Configuration) -> Configuration:
        """What `replace` would put in force; nothing is changed. ConfigError as there."""
        return overlay(configuration, still_valid(self._overrides, configuration), str(self._store.path))

    def replace(self, configuration: Configuration, source: str | None = None) -> Change:
        """Take over a re-read file, except what needs a restart. `source` is where it stands, when that is elsewhere.

        ConfigError, and nothing is changed, when an override that is still valid does not fit it.
        """
        before = self._configuration
        held = {section: getattr(before, section) for section in RESTART}
        restart = tuple(section for section in RESTART if getattr(configuration, section) != held[section])
        self._adopt_file(evolve(configuration, **held))
        self._source = source or self._source
        return _compare(before, self._configuration, restart)

    def _adopt_file(self, file: Configuration) -> None:
        before, kept = self._overrides, still_valid(self._overrides, file)
        self._adopt(file, kept, str(self._store.path))
        for name, keys in before.items():
            for key in keys.keys() - kept.get(name, {}).keys():
                log.info("override.dropped", character=name, key=key)

    def _adopt(self, file: Configuration, overrides: Overrides, where: str) -> None:
        overrides = {name: keys for name, keys in overrides.items() if keys}
        configuration = overlay(file, overrides, where)
        if overrides != self._overrides:
            self._store.save(overrides)
        self._file, self._overrides, self._configuration = file, overrides, configuration

    def _character(self, name: str) -> Character:
        if name not in self._configuration.characters:
            raise UnknownCharacter(name)
        return self._configuration.characters[name]


def _compare(before: Configuration, after: Configuration, restart: tuple[str, ...]) -> Change:
    old, new = frozenset(before.characters), frozenset(after.characters)
    return Change(
        touched=frozenset(name for name in old & new if take_snapshot(before, name) != take_snapshot(after, name)),
        added=new - old,
        removed=old - new,
        restart=restart,
    )
