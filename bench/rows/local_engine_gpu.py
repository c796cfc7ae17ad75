"""The local engine on a GPU: steps of a model as large as the tiny world's large one."""

from dataclasses import replace
from pathlib import Path
from random import Random

import torch

from bench.card import measured
from bench.row import Case, Done, Row, Run, Setting, Side

ROW = Row(
    title="A GRPO step of the tiny world's large model in the local engine: rollouts of 128 tokens, one update",
    work="steps",
    sides=(
        Side("ours", "main", "red.engines.local on the GPU"),
        Side("core", "main", "red.engines.local on one core of the same machine"),
    ),
    cases=(Case("16 prompts x 8", {"prompts": 16, "tokens": 128, "device": "cuda"}, 3),),
    notes="Weights and rewards are random, so every rollout has its full length. Both sides draw the same numbers: "
    "both facts agree but for rounding, and for the tokens that rounding has changed.",
    tiny={"prompts": 2, "tokens": 8, "device": "cpu"},
)
GROUP = 8
NEVER = (-1,)  # no token ends a response


def prepare(setting: Setting) -> Run:
    """A run is one step from the same weights."""
    from red.engines.local.adamw import AdamW
    from red.engines.local.policy import LocalPolicy
    from red.methods import method
    from red.methods.base import Group, Problem, Sequence
    from red.text.codec import Codec
    from red.training.spec import Training
    from red.training.update import Enrolment, Update
    from red.world.pretraining import RECIPES, pretrain
    from red.world.spec import World

    torch.set_num_threads(1)
    size = setting.size
    random, _ = pretrain(replace(RECIPES["large"], steps=0), 0, World())
    device = size["device"] if setting.side == "ours" else "cpu"
    random.model.to(device)
    weights = replace(random, codec=Codec(random.tokenizer, NEVER))
    training = Training("local", 1, size["prompts"], GROUP, size["tokens"], lr=1e-7)
    optimizer = AdamW(list(weights.model.parameters()), training.lr, training.betas, training.weight_decay)
    spec = method("grpo").objective
    spec = replace(spec, aggregation=spec.aggregation.resolved(size["tokens"]))
    policy = LocalPolicy(weights, training, Path(), {"main": optimizer})
    draw = Random(0)
    prompts = [tuple(draw.randrange(2, 40) for _ in range(20)) for _ in range(size["prompts"])]
    rewards = [[float(draw.random() < 0.5) for _ in range(GROUP)] for _ in prompts]

    def run() -> Done:
        facts: dict[str, float] = {}

        def work() -> None:
            rollouts = policy.generate(prompts, GROUP, [size["tokens"]] * len(prompts), 0)
            groups = [
                Group(
                    Problem(str(i), prompt, ""),
                    tuple(Sequence(prompt, tuple(r.tokens), x, x) for r, x in zip(group, reward, strict=True)),
                )
                for i, (prompt, group, reward) in enumerate(zip(prompts, rollouts, rewards, strict=True))
            ]
            enrolled = Enrolment.of(groups, spec)
            before = policy.forward(enrolled.sequences)
            plan = enrolled.plan(spec, 1.0, None)
            result = policy.step(Update(0, enrolled.sequences, spec, plan, before, True, training.lr, 1.0, "main", 0))
            batch = result.batch
            logp = (batch.logp_st * batch.mask_st).sum() / batch.mask_st.sum()
            facts.update({"logp": logp.item(), "gradient": result.norm})

        seconds, peak = measured(device, work)
        return Done(1, 0.0, peak, seconds, facts=facts)

    return run
