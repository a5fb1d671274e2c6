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

    commands = get_command(app).commands  # type: ignore[attr-defined]
    lines = re.findall(r"^emorhet (screen|validate|run) (.*)$", README, flags=re.MULTILINE)
    assert lines
    for command, rest in lines:
        known = {option for parameter in commands[command].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest.split("#")[0])) <= known
