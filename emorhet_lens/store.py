"""Files of results: safetensors for tensors, JSON for the rest, a schema version in both, never pickle.

Everything is written under a temporary name and then renamed, so that an interrupted write leaves the former file.
"""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from emorhet_lens.errors import StoreError
from emorhet_lens.versions import VERSION

SCHEMA = 1


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], *, kind: str) -> None:
    """Write tensors and what is known about them into one safetensors file.

    Args:
        path: The file.
        tensors: By name.
        facts: Anything that JSON can hold; goes into the file's metadata.
        kind: What the file holds; checked when it is read.
    """
    header = {"schema": SCHEMA, "kind": kind, "version": VERSION, "facts": facts}
    metadata = {"emorhet_lens": json.dumps(header)}
    with replacing(path) as scratch:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, scratch, metadata=metadata)


def read_tensors(path: Path, *, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Returns:
        The tensors by name, and the facts.

    Raises:
        StoreError: The file is missing, truncated, not ours, of another kind or of another schema.
    """
    if not path.is_file():
        raise StoreError(f"there is no file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("emorhet_lens", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no iterator there
    except (SafetensorError, OSError, json.JSONDecodeError) as cause:
        raise StoreError(f"{path} is truncated or is no safetensors file ({cause}); write it again") from cause
    _check_header(header, path, kind)
    return tensors, header["facts"]


def write_json(path: Path, facts: Mapping[str, Any], *, kind: str) -> None:
    """Write facts as readable JSON with schema, kind and this package's version."""
    header = {"schema": SCHEMA, "kind": kind, "version": VERSION}
    write_text(path, json.dumps({**header, **facts}, indent=1, allow_nan=False) + "\n")


def read_json(path: Path, *, kind: str) -> dict[str, Any]:
    """Read what `write_json` wrote.

    Raises:
        StoreError: The file is missing, damaged, of another kind or of another schema.
    """
    if not path.is_file():
        raise StoreError(f"there is no file {path}")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as cause:
        raise StoreError(f"{path} is damaged ({cause}); write it again") from cause
    _check_header(facts, path, kind)
    return {name: value for name, value in facts.items() if name not in ("schema", "kind", "version")}


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step."""
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place when the block ends well, and goes away when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        mask = os.umask(0)
        os.umask(mask)
        scratch.chmod(0o666 & ~mask)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _check_header(header: Any, path: Path, kind: str) -> None:
    if not isinstance(header, dict) or "schema" not in header:
        raise StoreError(f"{path} was not written by emorhet_lens")
    if header["schema"] != SCHEMA:
        raise StoreError(f"{path} has schema {header['schema']}, this version reads {SCHEMA}; make it again")
    if header.get("kind") != kind:
        raise StoreError(f"{path} holds {header.get('kind')!r}, expected {kind!r}")
