"""Snapshots, changes over the API, and files that are read again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from neko.config import (
    Change,
    ConfigError,
    ConfigManager,
    Example,
    OverrideStore,
    ProviderKind,
    Server,
    SessionPolicy,
    StorageError,
    UnknownCharacter,
    built_in,
    parse,
)

if TYPE_CHECKING:
    from pathlib import Path

FILE = """
[session]
max_turns = 4
[providers.cloud]
kind = "openai"
url = "wss://h/v1"
api_key_env = "KEY"
[providers.chat]
kind = "chat"
url = "http://h/v1"
[characters.Mimi]
provider = "cloud"
text_provider = "chat"
voice = "soft"
prompt = "I am {LANLAN_NAME}, friend of {MASTER_NAME}."
[characters."妹居"]
language = "zh"
"""


@pytest.fixture
def store(tmp_path: Path) -> OverrideStore:
    return OverrideStore.in_folder(tmp_path / "data")


@pytest.fixture
def manager(store: OverrideStore) -> ConfigManager:
    return ConfigManager(parse(FILE, "neko.toml"), store)


def edited(old: str, new: str) -> str:
    assert FILE.count(old) == 1
    return FILE.replace(old, new)


def reread(manager: ConfigManager, old: str, new: str) -> Change:
    return manager.replace(parse(edited(old, new), "neko.toml"))


def restarted(store: OverrideStore, text: str = FILE) -> ConfigManager:
    return ConfigManager(parse(text, "neko.toml"), store)


def test_a_snapshot_is_one_consistent_value(manager: ConfigManager) -> None:
    snapshot = manager.snapshot("Mimi")
    assert snapshot.name == "Mimi"
    assert snapshot.character.prompt == "I am Mimi, friend of my friend."
    assert (snapshot.provider_name, snapshot.provider.url) == ("cloud", "wss://h/v1")
    assert (snapshot.text_provider_name, snapshot.text_provider.kind) == ("chat", ProviderKind.CHAT)
    assert snapshot.session == snapshot.character.session == SessionPolicy(max_turns=4)
    manager.change("Mimi", {"provider": "local", "session": {"max_turns": 9}})
    assert (snapshot.provider_name, snapshot.session.max_turns) == ("cloud", 4)
    assert manager.snapshot("Mimi").provider == manager.configuration.providers["local"]


def test_names_come_in_the_order_of_the_file(manager: ConfigManager) -> None:
    assert manager.names == ("Mimi", "妹居")
    assert manager.first == "Mimi"


def test_an_unknown_character_is_a_typed_error_everywhere(manager: ConfigManager) -> None:
    for call in (manager.snapshot, manager.describe, manager.drop_overrides, lambda name: manager.change(name, {})):
        with pytest.raises(UnknownCharacter) as caught:
            call("Nobody")
        assert caught.value.name == "Nobody"


def test_describe_is_json_and_can_be_sent_back_unchanged(manager: ConfigManager, store: OverrideStore) -> None:
    manager.change("Mimi", {"examples": [{"user": "a", "character": "b"}]})
    described = json.loads(json.dumps(manager.describe("Mimi")))
    assert described["name"] == "Mimi"
    assert described["prompt"] == "I am {LANLAN_NAME}, friend of {MASTER_NAME}."
    assert described["session"]["prepare"] == "eager"
    assert described["examples"] == [{"user": "a", "character": "b"}]
    before = store.path.read_bytes()
    assert manager.change("Mimi", described).examples == (Example("a", "b"),)
    assert store.path.read_bytes() == before


def test_a_change_is_in_force_at_once_and_after_a_restart(manager: ConfigManager, store: OverrideStore) -> None:
    changed = manager.change("Mimi", {"voice": "loud", "session": {"max_turns": 9}})
    assert (changed.voice, changed.session) == ("loud", SessionPolicy(max_turns=9))
    assert manager.configuration.characters["Mimi"] == changed
    assert manager.configuration.characters["妹居"] == parse(FILE, "x").characters["妹居"]
    assert restarted(store).configuration == manager.configuration


def test_changes_add_up(manager: ConfigManager) -> None:
    manager.change("Mimi", {"voice": "loud", "session": {"max_turns": 9}})
    changed = manager.change("Mimi", {"language": "ja", "session": {"resume_s": 1}})
    assert (changed.voice, changed.language) == ("loud", "ja")
    assert changed.session == SessionPolicy(max_turns=9, resume_s=1.0)


def test_an_override_lasts_until_its_own_key_changes_in_the_file(manager: ConfigManager, store: OverrideStore) -> None:
    manager.change("Mimi", {"voice": "loud", "language": "ja"})
    reread(manager, 'voice = "soft"', 'voice = "soft"\ntts = "worker"')
    assert manager.snapshot("Mimi").character.voice == "loud"
    reread(manager, 'voice = "soft"', 'voice = "calm"')
    assert manager.snapshot("Mimi").character.voice == "calm"
    assert manager.snapshot("Mimi").character.language == "ja"
    # Gone means gone: the old file does not bring it back.
    assert restarted(store).snapshot("Mimi").character.voice == "soft"
    assert restarted(store).snapshot("Mimi").character.language == "ja"


def test_a_file_changed_while_the_server_was_down_drops_the_override(
    manager: ConfigManager, store: OverrideStore
) -> None:
    manager.change("Mimi", {"voice": "loud"})
    assert restarted(store, edited('voice = "soft"', 'voice = "calm"')).snapshot("Mimi").character.voice == "calm"
    assert json.loads(store.path.read_bytes()) == {}


def test_an_overridden_session_key_follows_the_common_policy_of_the_file(manager: ConfigManager) -> None:
    manager.change("Mimi", {"session": {"max_turns": 9, "silence_s": 2}})
    reread(manager, "max_turns = 4", "max_turns = 5")
    assert manager.snapshot("Mimi").session == SessionPolicy(max_turns=5, silence_s=2.0)


def test_the_overrides_of_a_character_wait_for_its_return(manager: ConfigManager) -> None:
    manager.change("Mimi", {"voice": "loud"})
    manager.replace(built_in())
    with pytest.raises(UnknownCharacter):
        manager.snapshot("Mimi")
    manager.replace(parse(FILE, "neko.toml"))
    assert manager.snapshot("Mimi").character.voice == "loud"


def test_drop_overrides_goes_back_to_the_file(manager: ConfigManager, store: OverrideStore) -> None:
    manager.change("Mimi", {"voice": "loud"})
    manager.change("妹居", {"voice": "loud"})
    assert manager.drop_overrides("Mimi") == parse(FILE, "x").characters["Mimi"]
    assert restarted(store).snapshot("Mimi").character.voice == "soft"
    assert restarted(store).snapshot("妹居").character.voice == "loud"


def test_a_change_back_to_what_the_file_says_is_no_override(manager: ConfigManager, store: OverrideStore) -> None:
    manager.change("Mimi", {"voice": "loud"})
    manager.change("Mimi", {"voice": "soft"})
    assert json.loads(store.path.read_bytes()) == {}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"voise": "x"}, "request: unknown key characters.Mimi.voise; did you mean voice?; accepted: provider, "),
        ({"voice": 3}, "request: characters.Mimi.voice is 3; accepted: a string that is not empty"),
        ({"voice": None}, "request: characters.Mimi.voice is null; accepted: a string that is not empty"),
        ({"prompt": "\ud800"}, 'request: characters.Mimi.prompt is "\\ud800"; accepted: a string'),
        (
            {"provider": "x"},
            'request: characters.Mimi.provider is "x", which is not configured; accepted: local',
        ),
        ({"provider": "chat"}, 'request: characters.Mimi.provider is "chat", which is of kind chat and cannot speak'),
        (
            {"session": {"max_turn": 1}},
            "request: unknown key characters.Mimi.session.max_turn; did you mean",
        ),
        ({"session": {"prepare": "x"}}, 'request: characters.Mimi.session.prepare is "x"; accepted: eager, due'),
        ({"session": 3}, "request: characters.Mimi.session is 3; accepted: a table"),
        ({"examples": [{"user": "x"}]}, "request: characters.Mimi.examples[0].character is missing"),
        ({"name": "Mumu"}, 'request: characters.Mimi.name is "Mumu"; accepted: only "Mimi"'),
    ],
)
def test_a_bad_change_changes_nothing(
    manager: ConfigManager, store: OverrideStore, keys: dict[str, object], expected: str
) -> None:
    manager.change("Mimi", {"language": "ja"})
    configuration, saved = manager.configuration, store.path.read_bytes()
    with pytest.raises(ConfigError) as caught:
        manager.change("Mimi", {"tts": "worker", **keys})
    assert str(caught.value).startswith(expected)
    assert manager.configuration is configuration
    assert store.path.read_bytes() == saved


def test_a_change_that_cannot_be_kept_is_not_made(manager: ConfigManager, store: OverrideStore) -> None:
    store.path.parent.write_text("a file where the folder should be")
    before = manager.configuration
    with pytest.raises(StorageError, match=r"overrides\.json: cannot be written: .*server\.data_dir"):
        manager.change("Mimi", {"voice": "loud"})
    assert manager.configuration is before


def test_a_folder_is_tried_before_it_is_needed(store: OverrideStore) -> None:
    store.require_writable()
    assert list(store.path.parent.iterdir()) == []
    store.path.parent.rmdir()
    store.path.parent.write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="cannot be written"):
        store.require_writable()


def test_a_proposed_change_changes_nothing(manager: ConfigManager, store: OverrideStore) -> None:
    before = manager.configuration
    assert manager.proposed("Mimi", {"voice": "loud"}).character.voice == "loud"
    assert manager.configuration is before
    assert not store.path.exists()


def test_the_origin_of_a_key_is_the_file_or_the_overrides(store: OverrideStore) -> None:
    manager = ConfigManager(parse(FILE, "neko.toml"), store, "neko.toml")
    manager.change("Mimi", {"voice": "loud"})
    assert (manager.origin("Mimi", "voice"), manager.origin("Mimi", "tts")) == (str(store.path), "neko.toml")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "not valid JSON"),
        ("[]", "the content is a list; accepted: a table"),
        ('{"Mimi": 3}', "Mimi is 3; accepted: a table"),
        ('{"Mimi": {"voice": {"value": "x"}}}', "Mimi.voice.file is missing"),
        ('{"Mimi": {"voice": {"value": 3, "file": "soft"}}}', "characters.Mimi.voice is 3; accepted: a string"),
        ('{"Mimi": {"voise": {"value": "x", "file": "y"}}}', "unknown key characters.Mimi.voise; did you mean voice?"),
    ],
)
def test_a_corrupt_overrides_file_is_reported_and_left_alone(store: OverrideStore, content: str, expected: str) -> None:
    store.path.parent.mkdir()
    store.path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        restarted(store)
    assert str(caught.value).startswith(f"{store.path}: {expected}")
    assert store.path.read_text() == content


def test_a_file_that_no_longer_fits_an_override_is_refused_as_a_whole(manager: ConfigManager) -> None:
    manager.change("妹居", {"provider": "cloud"})
    before = manager.configuration
    with pytest.raises(ConfigError, match=r'overrides\.json: characters\."妹居"\.provider is "cloud"'):
        manager.replace(parse("[characters.'妹居']\nlanguage = 'zh'", "neko.toml"))
    assert manager.configuration is before


NOTHING = Change(touched=frozenset(), added=frozenset(), removed=frozenset(), restart=())


@pytest.mark.parametrize(
    ("old", "new", "touched"),
    [
        ('voice = "soft"', 'voice = "calm"', {"Mimi"}),
        ('url = "wss://h/v1"', 'url = "wss://other/v1"', {"Mimi"}),
        ('api_key_env = "KEY"', 'api_key_env = "OTHER"', {"Mimi"}),
        ('url = "http://h/v1"', 'url = "http://h/v2"', {"Mimi"}),
        ("max_turns = 4", "max_turns = 5", {"Mimi", "妹居"}),
        ("[providers.chat]", '[providers.local]\nmodel = "scripted"\n[providers.chat]', {"妹居"}),
        ("[providers.chat]", '[providers.unused]\nkind = "local"\n[providers.chat]', set()),
        ('language = "zh"', 'language = "zh"  # as before', set()),
    ],
)
def test_a_reread_file_says_whom_it_touches(manager: ConfigManager, old: str, new: str, touched: set[str]) -> None:
    change = reread(manager, old, new)
    assert change == Change(touched=frozenset(touched), added=frozenset(), removed=frozenset(), restart=())


def test_a_reread_file_says_who_came_and_went(manager: ConfigManager) -> None:
    change = manager.replace(built_in())
    assert change == Change(
        touched=frozenset(), added=frozenset({"Yui"}), removed=frozenset({"Mimi", "妹居"}), restart=()
    )


def test_a_reread_file_says_what_needs_a_restart(manager: ConfigManager) -> None:
    text = FILE + '[server]\nport = 1\n[agents]\nsession_pub = "ipc://x"\n'
    assert manager.replace(parse(text, "neko.toml")).restart == ("server", "agents")
    assert manager.configuration.server == Server(), "what needs a restart does not hold before it"
    assert manager.replace(parse(text, "neko.toml")).restart == ("server", "agents")
    assert manager.replace(parse(FILE, "neko.toml")) == NOTHING


def test_an_overridden_key_of_the_file_touches_whom_it_changes(manager: ConfigManager) -> None:
    manager.change("Mimi", {"voice": "calm"})
    assert reread(manager, 'voice = "soft"', 'voice = "calm"') == NOTHING
