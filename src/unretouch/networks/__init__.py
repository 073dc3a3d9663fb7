"""Generators and discriminators: a file each, or a family; a line each in the tables of table.py.

A generator maps the source to the prediction, both in network space: float32 (N, C, H, W) in
[-1, 1]. What is to be known of one (its margin, the settings it takes, how its weights are
recognised) it says itself, see generator.py. Pictures of any size are predicted in prediction.py.
"""

from unretouch.networks.classic import initialise
from unretouch.networks.generator import Generator, GeneratorKind, WeightsDescription
from unretouch.networks.prediction import predict, predict_picture
from unretouch.networks.state import load_weights
from unretouch.networks.table import (
    DISCRIMINATORS,
    GENERATORS,
    build_discriminator,
    build_generator,
    describe_weights,
)

__all__ = [
    "DISCRIMINATORS",
    "GENERATORS",
    "Generator",
    "GeneratorKind",
    "WeightsDescription",
    "build_discriminator",
    "build_generator",
    "describe_weights",
    "initialise",
    "load_weights",
    "predict",
    "predict_picture",
]
