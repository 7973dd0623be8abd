"""Everything that only an instructor has; nothing in `hw` imports it."""
