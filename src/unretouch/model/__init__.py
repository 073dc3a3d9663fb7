"""Models: weights that can predict. find which are meant, load them, ask them for a picture.

`find` and `interface` need no torch, and neither does `onnx_model`, the other runtime.
"""
