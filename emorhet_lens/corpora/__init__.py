"""Corpora by name: the built-in stimuli, data sets of a directory, and data sets as their publishers give them."""

from emorhet_lens.corpora.facts import Facts, facts, known
from emorhet_lens.corpora.named import load_corpus, names, split_names

__all__ = ["Facts", "facts", "known", "load_corpus", "names", "split_names"]
