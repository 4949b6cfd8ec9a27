"""One call on this replica, from the request to its outcome on the log."""
