"""Experiments that put a claim of the lectures to the test."""
