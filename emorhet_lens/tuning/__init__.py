"""Adaptive masks after Zheng et al. (2026): doses, the feedback loop, and its controls."""
