"""Load a model of the host: by hub id, from a local folder, from a `.gguf` file, or the embedded default."""

import hashlib
import tempfile
from pathlib import Path
from typing import Literal, cast

import torch
from safetensors import SafetensorError

from emorhet_lens.errors import ModelError
from emorhet_lens.models import embedded
from emorhet_lens.models.hosts import LensModel

Host = Literal["bridge", "hooked"]


def load_model(
    name: str = embedded.NAME,
    *,
    host: Host = "bridge",
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> LensModel:
    """Load a model as an object of the host, in evaluation mode, with its weights as they are.

    Args:
        name: `"smollm2-135m-instruct"` (embedded, fetched once), a hub id, a folder in Hugging Face's layout,
            or a `.gguf` file (de-quantised once into the cache).
        host: `"bridge"` for a `TransformerBridge`, `"hooked"` for a `HookedTransformer`, which needs
            transformer-lens 3.x.
        device: Where the weights go; a GPU where there is one by default.
        dtype: Type of the weights, float32 by default.

    Returns:
        A `TransformerBridge` (raw, not in compatibility mode) or a `HookedTransformer` without weight processing.

    Raises:
        ModelError: There is no such model or device, or the host that was asked for is not installed.
    """
    if host not in ("bridge", "hooked"):
        raise ModelError(f'host={host!r} is unknown; it is "bridge" or "hooked"')
    dtype = torch.float32 if dtype is None else dtype
    device = ("cuda" if torch.cuda.is_available() else "cpu") if device is None else device
    _require_device(device)
    source = _resolve(name)
    if host == "hooked":
        from emorhet_lens.models.hooked import load_hooked

        model = load_hooked(source, device=device, dtype=dtype)
    else:
        model = _load_bridge(source, device=device, dtype=dtype)
    model.eval()
    # The host only knows a folder; the results should carry the name that the user gave.
    model.cfg.model_name = name if source != name and not Path(name).exists() else Path(source).name
    if isinstance(source, str):
        model.cfg.model_name = source
    return model


def _require_device(device: str | torch.device) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as cause:
        first = str(cause).splitlines()[0]
        raise ModelError(f"device={str(device)!r} cannot be used: {first}; on this machine there is cpu") from cause


def _resolve(name: str) -> str | Path:
    """A hub id stays a string; everything that is on disk becomes a folder."""
    if name == embedded.NAME:
        return embedded.fetch_embedded()
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelError(f"there is no GGUF file {path}")
        return _converted(path)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(f"the folder {path} holds no config.json; it is not a model in Hugging Face's layout")
        return path
    if path.is_absolute() or name.startswith(".") or name.count("/") > 1:
        raise ModelError(f"there is no folder {path}")
    return name


def _converted(path: Path) -> Path:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    folder = embedded.cache_dir() / f"{path.stem}-{digest[:16]}"
    if not (folder / "config.json").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-") as scratch:
            converted = Path(scratch) / "converted"
            embedded.convert_gguf(path, converted)
            # Another process may have finished first; its copy is as good as ours.
            if not (folder / "config.json").is_file():
                converted.rename(folder)
    return folder


def _load_bridge(source: str | Path, *, device: str | torch.device, dtype: torch.dtype) -> LensModel:
    from transformer_lens.model_bridge import TransformerBridge

    try:
        return cast(LensModel, TransformerBridge.boot_transformers(str(source), device=device, dtype=dtype))
    except (OSError, ValueError, RuntimeError, SafetensorError) as cause:
        raise ModelError(
            f"{source} could not be loaded: {cause}. Give a hub id, a folder in Hugging Face's layout, a .gguf "
            f"file, or {embedded.NAME!r}"
        ) from cause
