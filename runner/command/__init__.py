"""The commands of `optrun`: one file each, whose `asked` takes the words after its name and returns the exit code."""
