"""Models: weights that can predict. Find which are meant, load them, ask them for a picture.

`load` and `interface` need no torch, and neither does `onnx_model`, the other runtime.
"""
