"""The services of compose.yml on this machine, without containers: the same files, other addresses."""
