"""A tiny model and corpora in a folder, and a study of them."""

import json
from pathlib import Path
from typing import Any

from tiny_models import SPECIAL, WORDS, llama_weights, save_model, word_tokenizer

VOCABULARY = (*WORDS, "metaphor", "simile", "literal", "anger", "fear", "neutral")
LABELS = {"rhetoric": ("metaphor", "simile", "literal"), "emotion": ("anger", "fear", "neutral")}


def make_folder(folder: Path) -> Path:
    """A model, and for each group files `first`, `second` and their unseen counterparts; returns the folder."""
    size = len(SPECIAL) + len(VOCABULARY)
    weights = llama_weights(intermediate_size=96, vocab_size=size, max_position_embeddings=128, num_hidden_layers=3)
    save_model(weights, folder / "model")
    word_tokenizer(VOCABULARY).save_pretrained(folder / "model")
    words = list(WORDS)
    for group, labels in LABELS.items():
        for number, name in enumerate(("first", "second", "first-new", "second-new")):
            rows = [
                {"text": " ".join(words[(7 * n + k * (1 + n % 5)) % len(words)] for k in range(4 + n % 3)) + f" {name}"}
                | {"label": labels[n % 3], "id": f"r{n}"}
                for n in range(48 * number, 48 * number + 48)
            ]
            path = folder / f"{group}-{name}.jsonl"
            path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return folder


def study_of(folder: Path, *groups: str) -> dict[str, Any]:
    """A small study with every section, as a file would hold it."""
    few = {"limit": 6, "min_texts": 4, "n_random": 2}
    return {
        "model": str(folder / "model"),
        "device": "cpu",
        "groups": [
            {
                "name": group,
                "corpora": [str(folder / f"{group}-first.jsonl")],
                "top": 0.03,
                "shuffles": 0,
                "validate": {"corpora": [str(folder / f"{group}-first-new.jsonl")], "masks": ["zero", "adaptive"]}
                | few,
                "sweep": {
                    "corpora": [str(folder / f"{group}-first-new.jsonl")],
                    "concepts": [LABELS[group][0]],
                    "ratios": [0.02, 0.05],
                    "layers": ["bottom", "middle", "top"],
                }
                | few,
                "replicate": {
                    "corpora": [str(folder / f"{group}-second.jsonl")],
                    "draws": 20,
                    "effects": False,
                },
            }
            for group in groups
        ],
    }


def write_toml(path: Path, study: dict[str, Any]) -> Path:
    """The study as a TOML file."""
    path.write_text(_table(study, ""), encoding="utf-8")
    return path


def _table(values: dict[str, Any], before: str) -> str:
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items() if _is_plain(value)]
    for name, value in values.items():
        if isinstance(value, dict):
            lines += [f"[{before}{name}]", _table(value, f"{before}{name}.")]
        elif not _is_plain(value):
            lines += [part for one in value for part in (f"[[{before}{name}]]", _table(one, f"{before}{name}."))]
    return "\n".join(lines)


def _is_plain(value: Any) -> bool:
    return not isinstance(value, dict) and not (isinstance(value, list) and value and isinstance(value[0], dict))
