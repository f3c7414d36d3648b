"""What the recorders keep open of a run; each needs a package that may be missing, so none is imported before."""
