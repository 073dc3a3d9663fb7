"""unretouch: learn the way back from a retouched portrait to real skin, from a handful of pairs."""

__version__ = "0.1.0"
