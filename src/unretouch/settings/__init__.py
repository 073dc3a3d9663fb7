"""What a person can ask for: the settings of each command, and how they are read."""
