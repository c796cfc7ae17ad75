"""The local engine: one process, CPU or one GPU.

With one update per rollout the old policy is the policy, so one forward pass gives the loss, the
ratio's denominator and both entropies.
"""

import math
import signal
from collections.abc import Mapping
from collections.abc import Sequence as Seq
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from red.config import RunSpec, Training
from red.engines.adamw import AdamW
from red.engines.base import Report, RunFiles, Trained
from red.engines.loop import Loop, Order, Updated
from red.engines.policy import forward
from red.engines.rollouts import LocalGenerate
from red.engines.state import load_state, save_state
from red.engines.step import Pass
from red.grading.reward import RewardJudge
from red.methods.base import Sequence
from red.models import checkpoint as checkpoints
from red.objective.loss import Loss, objective
from red.objective.spec import ObjectiveSpec

STATE_SECONDS = 20.0


def train(run: RunSpec, files: RunFiles, report: Report) -> Trained:
    """Train `run` from `files.parent`, continuing from `files.state` if a state is there."""
    # Bit-for-bit repeatability on CPU needs a fixed number of threads.
    torch.set_num_threads(1)
    with RewardJudge() as judge, _stop_signal() as stop:
        policy = LocalPolicy.start(run, files)
        loop = Loop.start(run, files, policy, judge)
        ended = loop.train(report, lambda: bool(stop), STATE_SECONDS)
    if not ended:
        raise SystemExit(128 + stop[0])
    policy.save(files.out / "checkpoint")
    files.publish()
    return Trained(loop.step, loop.guard.stopped, loop.counts)


@dataclass
class LocalPolicy:
    """Satisfies `red.engines.loop.Policy` with the weights in this process."""

    weights: checkpoints.Checkpoint
    training: Training
    states: Path
    optimizers: Mapping[str, AdamW]

    @classmethod
    def start(cls, run: RunSpec, files: RunFiles) -> "LocalPolicy":
        """The parent's weights with fresh optimizers."""
        weights = checkpoints.load(files.parent, "cuda" if torch.cuda.is_available() else "cpu")
        names = ["main", "finetune"] if run.build_method().finetune else ["main"]
        training, parameters = run.training, list(weights.model.parameters())
        optimizers = {name: AdamW(parameters, training.lr, training.betas, training.weight_decay) for name in names}
        return cls(weights, run.training, files.state, optimizers)

    @property
    def tokenizer(self) -> Any:
        """The checkpoint's."""
        return self.weights.tokenizer

    @property
    def eos_id(self) -> int:
        """Ends a response."""
        return self.weights.eos_id

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

    @torch.no_grad()
    def measure(self, sequences: Seq[Sequence]) -> Pass:
        """A pass without gradient."""
        return self._forward(sequences)

    def update(self, order: Order) -> Updated:
        """Forward, plan, loss, backward, clip, and a step if all of it is finite."""
        optimizer, parameters = self.optimizers[order.moments], list(self.weights.model.parameters())
        optimizer.lr = order.lr
        now = self._forward(order.sequences)
        # Section 12.2: entropies are those of the pass that gives the old log-probabilities.
        plan = order.weigh((order.old or now).measured()).to(self.device)
        batch = now.batch(order.old)
        loss = objective(batch, order.spec, plan)
        metrics = self._gradient_cosine(loss, order.spec) if order.cosine else {}
        optimizer.zero_grad()
        loss.total.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, order.clip).item()
        if math.isfinite(loss.total.item()) and math.isfinite(norm):
            optimizer.step()
        optimizer.zero_grad()
        return Updated(batch, plan, loss.values(), norm, metrics)

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

    def _forward(self, sequences: Seq[Sequence]) -> Pass:
        training = self.training
        return Pass(*forward(self.weights.model, sequences, training.temperature, training.tokens_per_forward))

    def _gradient_cosine(self, loss: Loss, spec: ObjectiveSpec) -> dict[str, float]:
        """Cosine between the gradients of the online part and of the demonstrations' part."""
        parameters = list(self.weights.model.parameters())
        taught = loss.offline + spec.nll.coefficient * loss.nll
        parts = [torch.autograd.grad(part, parameters, retain_graph=True) for part in (loss.online, taught)]
        online, offline = (torch.cat([g.flatten() for g in gradients]) for gradients in parts)
        norms = online.norm() * offline.norm()
        return {"grad/cosine": (online @ offline / norms).item()} if norms > 0 else {}


@contextmanager
def _stop_signal():
    """Collects SIGTERM/SIGINT, so that the loop stops after a whole step, with its state saved."""
    received: list[int] = []
    previous = {s: signal.signal(s, lambda n, _: received.append(n)) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
