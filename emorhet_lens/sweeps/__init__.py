"""Masks over shares of neurons and ranges of layers."""
