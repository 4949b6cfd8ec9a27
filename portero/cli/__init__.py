"""The command line: the bot's verbs for a terminal, working on the running system through the log."""
