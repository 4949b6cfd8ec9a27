"""What keeps a replica and its log in order: start, archive, snapshots, timers, signs of life."""
