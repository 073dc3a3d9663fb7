"""Apply: a trained generator over photographs of any size, depth and colour space."""
