"""Pages to show and to hand on, from run folders."""
