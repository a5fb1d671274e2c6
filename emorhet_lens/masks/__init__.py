"""Masks of neurons as frozen values, their hooks and hook points, and gates before them."""
