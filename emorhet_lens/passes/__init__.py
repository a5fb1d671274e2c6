"""Texts through a model: prompts, batches, passes under hooks, the final residual, and decoding."""
