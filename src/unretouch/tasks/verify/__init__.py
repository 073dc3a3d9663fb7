"""Verify: did it memorise, is the texture back, does it hold on unseen portraits?

What is exported here is pure: functions over arrays and `predict` callables. `run.py` opens runs
and folders, `cross.py` trains, `album.py` writes pictures.
"""

from unretouch.tasks.verify.figures import Candidate, PairFigures, Part, figures_of_pair
from unretouch.tasks.verify.memorised import memorised_verdict
from unretouch.tasks.verify.places import Place, worst_and_typical
from unretouch.tasks.verify.probe import (
    ProbePoint,
    memorisation_probe,
    probe_verdict,
)
from unretouch.tasks.verify.report import SCHEMA, CrossRuns, Verification, report
from unretouch.tasks.verify.self_test import self_test_verdict, simulated_pair
from unretouch.tasks.verify.table import renderables
from unretouch.tasks.verify.texture import texture_verdict
from unretouch.tasks.verify.unseen import (
    generalisation_gap,
    mean_share,
    unseen_verdict,
)
from unretouch.tasks.verify.verdict import UNKNOWN, Verdict

__all__ = [
    "SCHEMA",
    "UNKNOWN",
    "Candidate",
    "CrossRuns",
    "PairFigures",
    "Part",
    "Place",
    "ProbePoint",
    "Verdict",
    "Verification",
    "figures_of_pair",
    "generalisation_gap",
    "mean_share",
    "memorisation_probe",
    "memorised_verdict",
    "probe_verdict",
    "renderables",
    "report",
    "self_test_verdict",
    "simulated_pair",
    "texture_verdict",
    "unseen_verdict",
    "worst_and_typical",
]
