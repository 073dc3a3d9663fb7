"""The folder of a run and everything that lies in it."""
