"""The command line `emorhet`."""

from emorhet_lens.cli.commands import app

__all__ = ["app"]
