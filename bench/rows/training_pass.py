"""No token twice: the teacher-forced pass of a step, packed with shared prompts, and padded."""

from collections.abc import Callable

import torch

from bench import world as tiny
from bench.row import Bar, Case, Done, Row, Run, Setting, Side
from red.methods.base import Sequence
from red.models import checkpoint
from red.models.packed import pack
from red.models.passes import forward
from red.models.qwen2 import Qwen2
from red.sampling.sampler import sample
from red.training.update import pairs as pairs_of

PASSES = 5

ROW = Row(
    title="Forward and backward pass over the sequences of one step, tiny world's base model; one core",
    work="response tokens",
    sides=(
        Side("ours", "main", "red.models.passes.forward: no padding, each prompt once, oneDNN's products"),
        Side("padded", "main", "the plain model on sequences padded to the longest (what ours replaced)"),
    ),
    cases=(
        Case("GRPO: 16 prompts x 8 rollouts", {"prompts": 16, "rollouts": 8, "demonstrations": 0}),
        Case("RED: 16 prompts x (7 rollouts + 1 demonstration)", {"prompts": 16, "rollouts": 7, "demonstrations": 1}),
        Case("SFT: 32 demonstrations", {"prompts": 32, "rollouts": 0, "demonstrations": 1}),
    ),
    bars=(Bar("padded", "time", 1.5),),
    notes="Tokens computed per useful token: the useful ones are response tokens. Left for ours are one prompt "
    "per group, and in attention the padding to rows of similar length. What limits it at this size: half of "
    "the time are products and attention, the rest small kernels; SFT shares no prompts.",
)


def prepare(setting: Setting) -> Run:
    """Sequences drawn once; a run is one pass and its gradient."""
    torch.set_num_threads(1)
    base = checkpoint.load(tiny.base(setting.world))
    size = setting.size
    pairs = tiny.pairs(setting.world)[: size["prompts"]]
    prompts = [base.tokenizer.encode(pair["prompt"]).ids for pair in pairs]
    groups = sample(
        base.model,
        prompts,
        samples=size["rollouts"],
        max_new_tokens=128,
        stop_ids=base.codec.stop_ids,
        temperature=1.0,
        generator=torch.Generator().manual_seed(0),
    )
    sequences = [
        Sequence(tuple(prompt), tuple(rollout.tokens), 0.0, 0.0)
        for prompt, group in zip(prompts, groups, strict=True)
        for rollout in group
    ]
    if size["demonstrations"]:
        texts = [base.tokenizer.encode(pair["completion"]).ids for pair in pairs]
        sequences += [
            Sequence(tuple(prompt), (*text, base.eos_id), 1.0, 1.0) for prompt, text in zip(prompts, texts, strict=True)
        ]
    useful = sum(len(s.response) for s in sequences)
    logp, computed = {"ours": _ours, "padded": _padded}[setting.side](base.model, sequences)

    def run() -> Done:
        for _ in range(PASSES):
            logp().sum().backward()
            base.model.zero_grad()
        return Done(PASSES * useful, facts={"computed per useful token": computed / useful})

    return run


# Log-probabilities of all response tokens, and how many tokens they take.
Pass = tuple[Callable[[], torch.Tensor], int]


def _ours(model: Qwen2, sequences: list[Sequence]) -> Pass:
    pairs = pairs_of(sequences)
    return lambda: forward(model, pairs, 1.0, 2**20).logp, len(pack(pairs).ids)


def _padded(model: Qwen2, sequences: list[Sequence]) -> Pass:
    rows = [s.prompt + s.response for s in sequences]
    width = max(map(len, rows))
    ids = torch.tensor([row + (0,) * (width - len(row)) for row in rows])
    places = [(i, t) for i, s in enumerate(sequences) for t in range(len(s.prompt), len(rows[i]))]
    row, column = torch.tensor(places).T

    def logp() -> torch.Tensor:
        hidden = model.hidden(ids[:, :-1])[row, column - 1]
        distribution: torch.Tensor = model.lm_head(hidden).log_softmax(-1)
        entropy = -(distribution.exp() * distribution).sum(-1)
        return distribution.gather(1, ids[row, column][:, None])[:, 0] + 0 * entropy.detach()

    return logp, len(rows) * (width - 1)
