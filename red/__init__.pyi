"""The public names; at run time `__init__.py` reads this file."""

from red.errors import ConfigError, DataError, RedError
from red.grading.grader import Case, Grader
from red.grading.reward import RewardJudge
from red.grading.verdict import Verdict
from red.methods import method
from red.methods.base import Method
from red.objective.batch import Batch, Members, Plan
from red.objective.loss import Loss, plan
from red.objective.loss import objective as loss
from red.objective.spec import (
    NLL,
    Advantage,
    Aggregation,
    DemonstrationTerm,
    Mixture,
    ObjectiveSpec,
    RolloutTerm,
    Weight,
)
from red.objective.vocabulary import logp_and_entropy
from red.statistics.intervals import mean_interval, paired_difference
from red.tables.reader import Run, Tables
from red.tables.reader import load as load_tables
from red.training.measures import step_entropy
from red.training.weight import StepEntropy, WeightSchedule, WeightStep

__version__: str
__all__ = [
    "NLL",
    "Advantage",
    "Aggregation",
    "Batch",
    "Case",
    "ConfigError",
    "DataError",
    "DemonstrationTerm",
    "Grader",
    "Loss",
    "Members",
    "Method",
    "Mixture",
    "ObjectiveSpec",
    "Plan",
    "RedError",
    "RewardJudge",
    "RolloutTerm",
    "Run",
    "StepEntropy",
    "Tables",
    "Verdict",
    "Weight",
    "WeightSchedule",
    "WeightStep",
    "__version__",
    "load_tables",
    "logp_and_entropy",
    "loss",
    "mean_interval",
    "method",
    "paired_difference",
    "plan",
    "step_entropy",
]
