"""The trainings that are written out a second time: each method's, and what else takes a way of its own."""

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tests.methods import plain


@dataclass(frozen=True)
class Variant:
    """A training: its equation, how many of each kind a group has, and what the run says."""

    method: str
    case: plain.Case
    rollouts: int
    demonstrations: int
    overrides: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


def variant(method: str, rollouts: int, demonstrations: int, **options: Any) -> Variant:
    return Variant(method, plain.METHODS[method], rollouts, demonstrations, **options)


MIXTURE = {"mixture": {"warmup": 2, "decay": 4, "peak": 0.8, "valley": 0.1}}
GAC = {"decay": 0.6, "mu_decay": 0.5, "cap": 0.06, "prior_share": 0.25}
PREFIXES = {"longest": 0.9, "shortest": 0.2, "decay": 3}
WAVES = {"sizes": [2, 1, 1], "ratios": [0.0, 0.5, 1.0], "limits": [-1.0, 0.6, 0.9]}
MU = partial(plain.cosine_mu, warmup=2, decay=4, peak=0.8, valley=0.1)
RED = variant("red", 3, 1)
VARIANTS = {
    "sft": variant("sft", 0, 1, training={"entropy_every": 2}),
    "grpo": variant("grpo", 4, 0, training={"entropy_every": 2}),
    "grpo_2updates": variant("grpo", 4, 0, training={"updates_per_rollout": 2}),
    "drgrpo": variant("drgrpo", 4, 0),
    "dapo": variant("dapo", 4, 0),
    "rl_sft": variant("rl_sft", 3, 1, training={"cosine_every": 2}),
    "mix_policy_2updates": variant("mix_policy", 3, 1, training={"updates_per_rollout": 2}),
    "luffy": variant("luffy", 3, 1, training={"cosine_every": 2}),
    "srft": variant("srft", 3, 1, training={"cosine_every": 2}),
    "relift": variant("relift", 4, 0, overrides={"second_step": {"buffer": 2, "entropy_coef": 0.5, "grad_clip": 4.0}}),
    "bread": variant("bread", 4, 0),
    "chord_mu": replace(variant("chord_mu", 4, 0, overrides=MIXTURE), case=replace(plain.METHODS["chord_mu"], mu=MU)),
    "chord_phi": replace(
        variant("chord_phi", 4, 0, overrides=MIXTURE), case=replace(plain.METHODS["chord_phi"], mu=MU)
    ),
    "gac": replace(
        variant("gac", 4, 0, overrides=MIXTURE | {"mixture_control": GAC}), case=replace(plain.METHODS["gac"], mu=MU)
    ),
    "uft": replace(
        variant("uft", 4, 0, overrides={"mix": {"prefix_steps": 4}, "nll": {"coefficient": 0.1}}),
        case=plain.RUNS["uft_nll_100"],
    ),
    "prefix_rft": variant(
        "prefix_rft", 3, 0, overrides={"mix": PREFIXES}, training={"updates_per_rollout": 2, "prompts_per_step": 6}
    ),
    "trapo": variant("trapo", 2, 0, overrides={"mix": WAVES}, training={"updates_per_rollout": 2}),
    "hpt": variant("hpt", 4, 1),
    "superrl": variant("superrl", 4, 1),
    "dft": variant("dft", 0, 1),
    "sft_rl": variant("sft_rl", 4, 0, training={"updates_per_rollout": 2}),
    "gpg": variant("gpg", 4, 0),
    "trsft": variant("trsft", 0, 1),
    "psft": variant("psft", 0, 1, training={"updates_per_rollout": 4}),
    "nft": variant("nft", 4, 0, training={"updates_per_rollout": 2, "prompts_per_step": 8}),
    "gvpo": variant("gvpo", 4, 0, training={"updates_per_rollout": 2}),
    "opd": variant("opd", 4, 0, training={"updates_per_rollout": 2}),
    "opsd": variant("opsd", 4, 0),
    "opsd_current": replace(
        variant("opsd", 4, 0, training={"updates_per_rollout": 2}),
        case=plain.RUNS["opsd_grpo"],
        overrides={
            "teacher": {"weights": "current"},
            "advantage": {"reward": 1.0, "teacher": 0.1},
            "rollout": {"clip_low": 0.2, "clip_high": 0.2},
        },
    ),
    "redi": variant("redi", 0, 1),
    "rl_plus": variant("rl_plus", 3, 1, training={"updates_per_rollout": 2}),
    "hpt_sequences": variant("hpt", 4, 1, training={"sequences_per_update": 7, "skip_norm": 15.0, "lr_steps": 10}),
    "red": RED,
    "red_2updates": replace(RED, training={"updates_per_rollout": 2}),
    "red_window3": replace(
        RED,
        case=replace(plain.METHODS["red"], weights=lambda rl, sft: plain.entropy_ratio(rl, sft, 3, 0.0, math.inf)),
        overrides={"weight": {"window": 3, "low": 0.0, "high": None}},
    ),
    "red_w_scrambled": replace(RED, case=plain.RUNS["red_w_scrambled"], overrides={"weight": {"target": "random"}}),
    "red_intended": variant("red_intended", 3, 1),
    "red_released": variant("red_released", 3, 1),
}
