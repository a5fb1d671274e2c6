"""Corpora by name: the built-in stimuli, and the folders of a directory of data sets."""

from emorhet_lens.corpora.named import load_corpus, names

__all__ = ["load_corpus", "names"]
