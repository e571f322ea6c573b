"""The commands: options and what is printed. Heavy modules are imported inside them, so that `--help` and `list` answer at once."""
