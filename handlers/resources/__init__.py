"""Subscriptions to resources, and what is told of them."""
