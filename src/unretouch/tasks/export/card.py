"""The model card: what someone who gets the file ought to know."""

from __future__ import annotations

from typing import Any

PLAIN = (
    "a plain .pth holds no settings: lay the run's config.json beside it, or photographs are "
    "restored at their own size, whatever the size of training was"
)

_USE = {
    "onnx": """```python
import numpy, onnxruntime
from PIL import Image

picture = numpy.asarray(Image.open("portrait.png").convert("RGB"), numpy.float32) / 255
session = onnxruntime.InferenceSession("{file}")
(restored,) = session.run(None, {{"picture": picture.transpose(2, 0, 1)[None]}})
Image.fromarray((restored[0].transpose(1, 2, 0) * 255).round().astype("uint8")).save("out.png")
```

Input `picture` and output `restored`: float32 (1, 3, height, width), sRGB in 0..1, any height and
width. Range and padding are inside.""",
    "safetensors": "The tensors have the names of the generator's state dict; the settings to "
    "build it are in the file's metadata under `unretouch`.",
    "pth": "A plain state dict as `torch.save` writes it, with the keys of the generator; "
    f"{PLAIN}.",
}


def card(file: str, kind: str, record: dict[str, Any], check: str) -> str:
    """Return the card of the exported `file` as Markdown. `check` says how it was checked."""
    settings, model, data = record["settings"], record["model"], record["data"]
    sizing = model["sizing"]
    size = (
        "full size"
        if sizing["preprocess"] in ("none", "crop")
        else f"{sizing['load_size']} pixels ({sizing['preprocess']})"
    )
    lines = [
        f"# {file}",
        "",
        "Brings back the skin texture that a retouch took from a portrait. Made by unretouch "
        f"{record['version']}.",
        "",
        "| | |",
        "|---|---|",
        f"| generator | {model['generator']} |",
        f"| direction | {settings['direction']} |",
        f"| trained on | {_pairs(data)} at {size} |",
        f"| recipe | {settings['recipe']}, lambda_L1 {settings['lambda_L1']:g}, seed "
        f"{settings['seed']} |",
        f"| weights, sha256 | `{record['weights_sha256']}` |",
        f"| checked | {check} |",
        "",
        "## Use",
        "",
        f"`unretouch apply --weights {file} PHOTO... -o FOLDER`",
        "",
        _USE[kind].format(file=file),
        "",
        "## Limits",
        "",
        "It was fitted closely to few pictures. On others it invents texture that is plausible at "
        "best; it does not know what the skin looked like, and its result is no evidence of it.",
        "",
        "It holds the faces of its training pictures: treat the file as you treat those, and pass "
        "it on only where the people in them agree.",
        "",
    ]
    return "\n".join(lines)


def _pairs(data: list[dict[str, Any]]) -> str:
    if not data:
        return "pairs that were not recorded"
    pairs = len({record["pair"] for record in data})
    return f"{pairs} pair{'s' if pairs != 1 else ''}"
