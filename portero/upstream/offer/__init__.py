"""What servers offer: named, masked, merged into one catalogue, and searched."""
