"""What clients are told without asking: streams of notices in both eras, and who hears of what."""
