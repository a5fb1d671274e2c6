"""Labelled texts: concepts, examples, corpora, their files, and how they are sampled and split."""
