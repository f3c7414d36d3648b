"""Numerics without policy."""
