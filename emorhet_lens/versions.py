"""Which versions a result was computed with: part of the provenance of every file."""

from importlib.metadata import version

VERSION = "0.1.0"
"""Of this package."""


def versions() -> dict[str, str]:
    """This package's version, and those of the libraries that results may depend on.

    Returns:
        Versions by name of the distribution.
    """
    return {"emorhet-lens": VERSION} | {name: version(name) for name in ("transformer-lens", "torch", "transformers")}
