"""What Hydra finds of this house, in the only namespace where it looks; `runner.composing` puts it on the path."""
