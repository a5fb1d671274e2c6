"""The Python blocks of the README run, in order and in one namespace, as a reader would type them."""

import re
from pathlib import Path

import pytest
from tiny import HAS_HOOKED

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
HOOKED = [block for block in BLOCKS if block.startswith("# needs HookedTransformer")]


def test_there_are_blocks_of_both_kinds() -> None:
    assert len(HOOKED) == 1
    assert len(BLOCKS) > len(HOOKED)


@pytest.mark.real
def test_blocks_run() -> None:
    names: dict[str, object] = {}
    for block in BLOCKS:
        if block not in HOOKED:
            exec(compile(block, "README.md", "exec"), names)
    assert names["result"].neurons  # type: ignore[attr-defined]
    assert names["found"].primary()["concept"].tolist() == ["anger", "fear"]  # type: ignore[attr-defined]


@pytest.mark.real
@pytest.mark.hooked
@pytest.mark.skipif(not HAS_HOOKED, reason="this transformer-lens has no HookedTransformer")
def test_hooked_block_runs() -> None:
    names: dict[str, object] = {}
    exec(compile(HOOKED[0], "README.md", "exec"), names)
    assert type(names["hooked"]).__name__ == "HookedTransformer"


def test_commands_name_options_that_exist() -> None:
    from typer.main import get_command

    from emorhet_lens.cli.commands import app

    seen = set()
    for line in re.findall(r"^emorhet (.*)$", README, flags=re.MULTILINE):
        words, command = line.split("#")[0].split(), get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line
        seen.add(command.name)
    assert seen >= {"screen", "validate", "induce", "enhance", "associate", "study", "run"}
