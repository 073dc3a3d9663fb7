"""Work that runs apart: child processes, a pool of workers, Ray."""
