"""Optimizers that are written for torch: how they are driven, and what they remember."""
