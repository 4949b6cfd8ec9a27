"""Servers of which there is one instance for all replicas: who runs it, and what it offers."""
