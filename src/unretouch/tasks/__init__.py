"""Floor 4: one module a task a person asks for, and the reports they end in."""
