"""``portero demo``: a throw-away gateway, a small server behind it, and a client that shows what Portero does."""
