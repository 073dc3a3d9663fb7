"""Floor 3: the training loop and everything that it drives."""
