"""One module per feature; each is imported when one of its commands is called."""
