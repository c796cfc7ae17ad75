"""The local engine: one process, CPU or one GPU.

With one update per rollout the old policy is the policy, so one forward pass gives the loss, the
ratio's denominator and both entropies.
"""

import math
import signal
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Seq
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from red.engines.local.adamw import AdamW
from red.grading.reward import RewardJudge
from red.methods.base import Sequence
from red.models import checkpoint as checkpoints
from red.models.passes import Pass, forward
from red.models.qwen2 import Qwen2
from red.objective.loss import Loss, objective
from red.objective.spec import ObjectiveSpec
from red.sampling.local import LocalGenerate
from red.text.codec import Codec
from red.training.files import Report, RunFiles, Trained
from red.training.loop import Loop
from red.training.spec import RunSpec, Training
from red.training.state import load_state, save_state
from red.training.update import Update, UpdateResult, pairs

STATE_SECONDS = 20.0


def train(run: RunSpec, files: RunFiles, report: Report) -> Trained:
    """Train `run` from `files.parent`, continuing from `files.state` if a state is there."""
    # Bit-for-bit repeatability on CPU needs a fixed number of threads.
    torch.set_num_threads(1)
    with RewardJudge(rule=run.build_method().reward.rule) as judge, _stop_signal() as stop:
        policy = LocalPolicy.start(run, files)
        loop = Loop.start(run, files, policy, judge)
        ended = loop.train(report, lambda: bool(stop), STATE_SECONDS)
    if not ended:
        raise SystemExit(128 + stop[0])
    policy.save(files.out / "checkpoint")
    files.publish(loop.step)
    return Trained(loop.step, loop.guard.stopped, loop.counts)


@dataclass
class LocalPolicy:
    """Satisfies `red.training.policy.Policy` with the weights in this process."""

    weights: checkpoints.Checkpoint
    training: Training
    states: Path
    optimizers: Mapping[str, AdamW]
    teacher: Qwen2 | None = None

    @classmethod
    def start(cls, run: RunSpec, files: RunFiles) -> "LocalPolicy":
        """The parent's weights with fresh optimizers."""
        method, device = run.build_method(), "cuda" if torch.cuda.is_available() else "cpu"
        second, frozen = method.second_step, files.frozen(method.teacher)
        names = ["main", second.name] if second else ["main"]
        weights = checkpoints.load(files.parent, device)
        training, parameters = run.training, list(weights.model.parameters())
        optimizers = {name: AdamW(parameters, training.lr, training.betas, training.weight_decay) for name in names}
        model = None if frozen is None else checkpoints.load(frozen, device).model
        return cls(weights, run.training, files.state, optimizers, model)

    @property
    def codec(self) -> Codec:
        """The checkpoint's."""
        return self.weights.codec

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.weights.model.parameters()).device

    @property
    def gpus(self) -> int:
        """0 on a CPU."""
        return int(self.device.type == "cuda")

    @property
    def generate(self) -> LocalGenerate:
        """Samples from the current weights."""
        return LocalGenerate(self.weights, self.training.temperature)

    def forward(self, sequences: Seq[Sequence]) -> Pass:
        """A pass with the graph of the update that follows."""
        return self._pass(self.weights.model, sequences)

    def _pass(self, model: Qwen2, sequences: Seq[Sequence]) -> Pass:
        training = self.training
        return forward(model, pairs(sequences), training.temperature, training.tokens_per_forward)

    def before(self, sequences: Seq[Sequence], read: bool) -> Pass:
        """The same pass, which costs no more where nobody reads it."""
        return self.forward(sequences)

    @torch.no_grad()
    def measure(self, sequences: Seq[Sequence]) -> Pass:
        """A pass without gradient."""
        return self.forward(sequences)

    @torch.no_grad()
    def teach(self, sequences: Seq[Sequence]) -> Pass:
        """A pass of the teacher's frozen weights."""
        assert self.teacher is not None, "loaded where the method has one"
        return self._pass(self.teacher, sequences)

    def step(self, update: Update) -> UpdateResult:
        """Loss, backward, clip, and a step if all of it is finite and the norm is not above the update's largest."""
        optimizer, parameters = self.optimizers[update.moments], list(self.weights.model.parameters())
        optimizer.lr = update.lr
        assert update.before is not None
        now = update.before if update.on_policy else self.forward(update.sequences)
        batch = now.batch(update.before)
        if update.teacher_logp is not None:
            batch = replace(batch, teacher_logp_st=update.teacher_logp.to(self.device))
        loss = objective(batch, update.spec, update.plan.to(self.device))
        metrics = self._gradient_cosine(loss, update.spec) if update.cosine else {}
        optimizer.zero_grad()
        loss.total.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, update.clip).item()
        if math.isfinite(loss.total.item()) and math.isfinite(norm) and norm <= update.largest_norm:
            optimizer.step()
        optimizer.zero_grad()
        return UpdateResult(batch.measured(), loss.values(), norm, metrics)

    def checkpoint(self) -> checkpoints.Checkpoint:
        """The weights themselves."""
        return self.weights

    def save(self, directory: Path) -> None:
        """The weights as a Hugging Face folder."""
        checkpoints.save(self.weights, directory)

    def save_state(self, step: int, state: Mapping[str, Any]) -> None:
        """One file with everything that changes."""
        save_state(
            self.states,
            step,
            {
                **state,
                "model": self.weights.model.state_dict(),
                "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
            },
        )

    def load_state(self) -> Mapping[str, Any] | None:
        """Restore the newest valid state."""
        state = load_state(self.states)
        if state is not None:
            self.weights.model.load_state_dict(state["model"])
            for name, optimizer in self.optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
        return state

    def _gradient_cosine(self, loss: Loss, spec: ObjectiveSpec) -> dict[str, float]:
        """Cosine between the gradients of the rollouts' part and of the demonstrations' part."""
        parameters = list(self.weights.model.parameters())
        demonstrations = loss.demonstration + spec.nll.coefficient * loss.nll
        parts = [torch.autograd.grad(part, parameters, retain_graph=True) for part in (loss.rollout, demonstrations)]
        rollout, demonstration = (torch.cat([g.flatten() for g in gradients]) for gradients in parts)
        norms = rollout.norm() * demonstration.norm()
        return {"grad/cosine": (rollout @ demonstration / norms).item()} if norms > 0 else {}


@contextmanager
def _stop_signal() -> Iterator[list[int]]:
    """Collects SIGTERM/SIGINT, so that the loop stops after a whole step, with its state saved."""
    received: list[int] = []
    previous = {s: signal.signal(s, lambda n, _: received.append(n)) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
