"""The connection itself: messages, pipes and the processes behind them, and HTTP to remote servers."""
