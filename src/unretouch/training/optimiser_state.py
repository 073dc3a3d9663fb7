"""What an optimiser remembers, and bringing it back after checking that it is its own.

Its options (rate, betas) are no part of that: they follow from the settings and the step.
"""

from __future__ import annotations

from typing import Any

import torch

from unretouch.base.errors import CheckpointError
from unretouch.training.weights_file import check_tensor


def remembered(optimiser: torch.optim.Optimizer) -> dict[int, dict[str, Any]]:
    """Return what `optimiser` remembers of each parameter, by the parameter's number."""
    found: dict[int, dict[str, Any]] = optimiser.state_dict()["state"]
    return found


def restore_optimiser(
    optimiser: torch.optim.Optimizer, state: dict[int, dict[str, Any]], where: object
) -> None:
    """Give `optimiser` back what `remembered` returned.

    Raises CheckpointError for wrong shapes or values, and for what another optimiser remembered.
    """
    groups = optimiser.param_groups
    parameters = [parameter for group in groups for parameter in group["params"]]
    expected = [_names(optimiser, group) for group in groups for _ in group["params"]]
    own: dict[int, dict[str, Any]] = {}
    for index, values in state.items():
        if not 0 <= index < len(parameters) or values.keys() != expected[index]:
            raise CheckpointError("holds the optimiser of another network", where)
        own[index] = dict(values)
        for name, value in values.items():
            if not isinstance(value, torch.Tensor):
                continue
            check_tensor(value, f"optimiser {name} {index}", where)
            if name == "step":
                continue
            if value.shape != parameters[index].shape:
                raise CheckpointError(f"optimiser {name} {index} has a wrong shape", where)
            # Fused kernels walk parameter and moments side by side: their memory must lie alike.
            own[index][name] = torch.empty_like(parameters[index], requires_grad=False).copy_(value)
    options = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": own, "param_groups": options})


def _names(optimiser: torch.optim.Optimizer, group: dict[str, Any]) -> set[str]:
    """Return the names of what `optimiser` remembers of each parameter in `group`."""
    if isinstance(optimiser, torch.optim.Adam):
        return {"step", "exp_avg", "exp_avg_sq"}
    return {"momentum"} if group["muon"] else {"step", "mean", "square"}
