"""Servers that come with Portero and need nothing else: no account, no network, no other program."""
