"""Pure: a state becomes text, keyboard and attachment; no clock, no I/O."""
