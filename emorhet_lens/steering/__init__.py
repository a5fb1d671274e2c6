"""Pushing texts towards concepts through neurons, measured by predictions."""
