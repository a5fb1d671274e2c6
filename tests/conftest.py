"""Fixtures that several test files share; expensive ones are made once a session and are not to be changed."""

import os

# Before anything imports the hub's client: no test may wait for a network.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from pathlib import Path
from typing import Any

import pytest
from tiny import HOSTS, Planted, planted_model


@pytest.fixture(scope="session", params=list(HOSTS))
def any_host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny model as every kind of object of the host in turn."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    return HOSTS[request.param](folder)


@pytest.fixture(scope="session")
def planted() -> Planted:
    """The default model with known neurons."""
    return planted_model()
