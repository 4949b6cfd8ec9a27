"""One server over all its connections: its era, its lists, what is watched, and its owner, who connects it again."""
