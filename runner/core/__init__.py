"""What every room stands on: one vector of parameters, its objective, random streams, checks, errors."""
