"""Which file is read, and which folder is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from neko.config import ConfigError, Server, data_folder, find_configuration


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A world with a working folder and a user's folder, both empty."""
    (tmp_path / "here").mkdir()
    (tmp_path / "home" / "neko").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("platformdirs.user_config_path", lambda app, **_: tmp_path / "home" / app)
    monkeypatch.setattr("platformdirs.user_data_path", lambda app, **_: tmp_path / "data" / app)
    return tmp_path


def written(path: Path) -> Path:
    path.write_text("")
    return path


def test_the_nearest_file_wins(places: Path) -> None:
    environ = {"NEKO_CONFIG": str(places / "named.toml")}
    assert find_configuration(None, {}) is None
    of_user = written(places / "home" / "neko" / "neko.toml")
    assert find_configuration(None, {}) == of_user
    written(places / "here" / "neko.toml")
    assert find_configuration(None, {}) == Path("neko.toml")
    named = written(places / "named.toml")
    assert find_configuration(None, environ) == named
    explicit = written(places / "explicit.toml")
    assert find_configuration(explicit, environ) == explicit


def test_a_file_that_was_asked_for_must_be_there(places: Path) -> None:
    written(places / "here" / "neko.toml")
    with pytest.raises(ConfigError, match=r"gone\.toml: there is no such file \(--config names it\)"):
        find_configuration(places / "gone.toml", {})
    with pytest.raises(ConfigError, match=r"there is no such file \(\$NEKO_CONFIG names it\)"):
        find_configuration(None, {"NEKO_CONFIG": str(places)})


def test_an_empty_variable_names_nothing(places: Path) -> None:
    assert places.is_dir()
    assert find_configuration(None, {"NEKO_CONFIG": ""}) is None


def test_where_data_goes(places: Path) -> None:
    assert data_folder(Server(), {}) == places / "data" / "neko"
    assert data_folder(Server(data_dir="~/cats"), {}) == Path.home() / "cats"
    assert data_folder(Server(data_dir="/cats"), {"NEKO_DATA": "/dogs"}) == Path("/dogs")
