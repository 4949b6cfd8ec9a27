"""What clients are offered: lists, the resources and prompts behind them, and Portero's own tools."""
