"""Imports point one way: no part of the package needs one that needs it."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import emorhet_lens

ROOT = Path(emorhet_lens.__file__).parent


def parts_of(path: Path) -> set[str]:
    """Modules and subpackages directly under the package that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "emorhet_lens":
            inner = node.module.split(".")[1:]
            found |= {inner[0]} if inner else {alias.name for alias in node.names}
    return found


def test_no_part_needs_one_that_needs_it() -> None:
    needs: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        part = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if part != "__init__":
            needs.setdefault(part, set()).update(parts_of(path) - {part})
    assert needs["screening"] >= {"activations", "scorers"} and not needs["errors"]
    assert list(TopologicalSorter(needs).static_order())
