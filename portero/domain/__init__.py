"""The pure core: no clock, no id generator, no I/O."""
