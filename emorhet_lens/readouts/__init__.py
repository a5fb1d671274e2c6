"""How a concept is read from a model: by label words, by a probe, or by what is generated."""
