"""Floor 0: what everything stands on: errors, names, durable files, locks, messages."""
