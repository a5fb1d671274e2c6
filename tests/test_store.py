"""Files: exact round trips, refusals, and writing in one step."""

import json
import math
import os
import stat

import pytest
import torch
from safetensors.torch import save_file

from emorhet_lens import store
from emorhet_lens.errors import StoreError
from emorhet_lens.store import read_json, read_tensors, replacing, write_json, write_tensors, write_text
from emorhet_lens.versions import VERSION

TENSORS = {
    "counts": torch.tensor([[1, 2**60]]),
    "values": torch.tensor([0.1, -math.inf, math.inf], dtype=torch.float64),
    "slice": torch.arange(6).reshape(2, 3).T,
}
FACTS = {"name": "größe", "list": [1, 0.1, None], "nested": {"a": True}}


def test_tensors_and_facts_come_back_exactly(tmp_path):
    write_tensors(tmp_path / "new" / "x.safetensors", TENSORS, FACTS, kind="test")
    tensors, facts = read_tensors(tmp_path / "new" / "x.safetensors", kind="test")
    assert facts == FACTS
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert all(tensors[name].dtype == TENSORS[name].dtype for name in TENSORS)


def test_json_comes_back(tmp_path):
    write_json(tmp_path / "x.json", FACTS, kind="test")
    assert read_json(tmp_path / "x.json", kind="test") == FACTS


def test_json_refuses_what_no_other_reader_knows(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"x": math.nan}, kind="test")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(params=["tensors", "json"])
def kind_of_file(request, tmp_path):
    path = tmp_path / "x"
    if request.param == "tensors":
        return path, lambda kind: write_tensors(path, TENSORS, FACTS, kind=kind), lambda k: read_tensors(path, kind=k)
    return path, lambda kind: write_json(path, FACTS, kind=kind), lambda k: read_json(path, kind=k)


def test_missing_file(kind_of_file):
    _, _, read = kind_of_file
    with pytest.raises(StoreError, match="there is no file"):
        read("test")


@pytest.mark.parametrize("share", [0, 0.3, 0.98])
def test_truncated_file(kind_of_file, share):
    path, write, read = kind_of_file
    write("test")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(StoreError, match="write it again"):
        read("test")


def test_other_kind(kind_of_file):
    _, write, read = kind_of_file
    write("screen")
    with pytest.raises(StoreError, match="holds 'screen', expected 'test'"):
        read("test")


def test_other_schema(kind_of_file, monkeypatch):
    _, write, read = kind_of_file
    with monkeypatch.context() as patch:
        patch.setattr(store, "SCHEMA", 99)
        write("test")
    with pytest.raises(StoreError, match="has schema 99, this version reads 1"):
        read("test")


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"emorhet_lens": "[1]"}, {"emorhet_lens": "{}"}])
def test_tensors_of_somebody_else(tmp_path, metadata):
    save_file({"x": torch.zeros(1)}, tmp_path / "x", metadata=metadata)
    with pytest.raises(StoreError, match="not written by emorhet_lens"):
        read_tensors(tmp_path / "x", kind="test")


@pytest.mark.parametrize("content", ["[]", "3", '{"kind": "test"}'])
def test_json_of_somebody_else(tmp_path, content):
    (tmp_path / "x").write_text(content, encoding="utf-8")
    with pytest.raises(StoreError, match="not written by emorhet_lens"):
        read_json(tmp_path / "x", kind="test")


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StoreError, match="damaged"):
        read_json(tmp_path / "x", kind="test")


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_interrupted_write_leaves_the_former_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "x.txt"
    write_text(path, "former")
    with pytest.raises(error), replacing(path) as scratch:
        scratch.write_text("half of", encoding="utf-8")
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]
    assert path.read_text(encoding="utf-8") == "former"


def test_failed_tensors_leave_the_former_file(kind_of_file, monkeypatch):
    path, write, read = kind_of_file
    write("test")
    before = path.read_bytes()

    def fail(*_args, **_options):
        raise OSError("disk full")

    monkeypatch.setattr(store, "save_file", fail)
    monkeypatch.setattr(type(path), "write_text", fail)
    with pytest.raises(OSError, match="disk full"):
        write("test")
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["x"]
    assert read("test")


def test_file_is_as_readable_as_others(tmp_path):
    former = os.umask(0o027)
    try:
        write_text(tmp_path / "x", "text")
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_json_is_readable_and_marked(tmp_path):
    write_json(tmp_path / "x", {"a": 1}, kind="test")
    assert json.loads((tmp_path / "x").read_text(encoding="utf-8")) == {
        "schema": 1,
        "kind": "test",
        "version": VERSION,
        "a": 1,
    }
