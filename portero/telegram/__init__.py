"""Approvals on Telegram: cards, commands, notices, and how they are delivered."""
