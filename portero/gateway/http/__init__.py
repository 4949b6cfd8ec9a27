"""HTTP itself: the server process, who may come in, and bodies in and out."""
