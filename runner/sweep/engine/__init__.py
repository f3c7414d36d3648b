"""Engines train the groups of a sweep, one engine a file: here, processes, slurm, ray; auto is one of the first two."""
