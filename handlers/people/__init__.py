"""What people are told and decide."""
