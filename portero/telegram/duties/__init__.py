"""What one replica does for all while it holds the lease: reminders, notices, summaries, the pinned message."""
