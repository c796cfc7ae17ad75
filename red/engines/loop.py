"""The training loop of every method under every engine: rollouts, w, updates, metrics, state.

An engine brings a `Policy`. All randomness is derived from (seed, purpose, step), so the state holds
no generator.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from red.config import RunSpec
from red.data.problems import Limits, ProblemOrder, Tokenizer, load_problems
from red.engines import measures
from red.engines.base import Report, RunFiles
from red.engines.guard import Guard, Update
from red.engines.rollouts import Generate, GradedSampler
from red.engines.schedule import learning_rate, logged_weights, split
from red.engines.state import forget_after
from red.engines.step import Pass, UpdateStep
from red.grading.reward import RewardJudge
from red.methods.base import Group, Method, Sequence
from red.methods.relift import HardBuffer
from red.models.checkpoint import Checkpoint
from red.objective.batch import Batch, Plan
from red.objective.spec import NLL, ObjectiveSpec
from red.objective.weight import StepEntropy, WeightSchedule, mixture_mu
from red.seeds import derive
from red.storage import dump_json, write_atomic


@dataclass(frozen=True)
class Order:
    """One optimizer step. `old` is the rollout policy's pass; None means that the policy is the old one.

    `weigh` turns the pass before the update into the plan: w depends on that pass's entropies.
    """

    sequences: Seq[Sequence]
    spec: ObjectiveSpec
    weigh: Callable[[Pass], Plan]
    old: Pass | None
    lr: float
    clip: float
    moments: Literal["main", "finetune"]
    seed: int
    cosine: bool = False


@dataclass(frozen=True)
class Updated:
    """What an optimizer step did. `norm` (before clipping) is NaN when the update was left out."""

    batch: Batch
    plan: Plan
    terms: Mapping[str, float]
    norm: float
    metrics: Mapping[str, float] = field(default_factory=dict)


class Policy(Protocol):
    """The weights of a run and what can be done with them, wherever they live."""

    @property
    def tokenizer(self) -> Tokenizer:
        """The checkpoint's."""

    @property
    def eos_id(self) -> int:
        """Ends a response."""

    @property
    def gpus(self) -> int:
        """How many the run holds; 0 on a CPU."""

    @property
    def generate(self) -> Generate:
        """Samples from the current weights."""

    def measure(self, sequences: Seq[Sequence]) -> Pass:
        """A pass without gradient."""

    def update(self, order: Order) -> Updated:
        """One optimizer step; an update whose gradient is not finite is left out."""

    def checkpoint(self) -> Checkpoint:
        """The weights, here."""

    def save(self, directory: Path) -> None:
        """The weights as a Hugging Face folder."""

    def save_state(self, step: int, state: Mapping[str, Any]) -> None:
        """Weights, optimizers and the loop's memory, so that a killed job continues."""

    def load_state(self) -> Mapping[str, Any] | None:
        """Restore the newest state; returns the loop's memory."""


@dataclass
class Loop:
    """Everything that changes during training, except the weights; `state` is its memory."""

    run: RunSpec
    files: RunFiles
    method: Method
    policy: Policy
    judge: RewardJudge
    order: ProblemOrder
    schedule: WeightSchedule
    guard: Guard
    buffer: HardBuffer
    thought_open: bool
    counts: Mapping[str, int]
    step: int = 0
    totals: dict[str, float] = field(default_factory=dict)

    @classmethod
    def start(cls, run: RunSpec, files: RunFiles, policy: Policy, judge: RewardJudge) -> "Loop":
        """Load the data, then the newest valid state."""
        training, method = run.training, run.build_method()
        problems = load_problems(
            files.prompts,
            files.demonstrations,
            policy.tokenizer,
            policy.eos_id,
            run.template,
            Limits(training.max_prompt_tokens, training.max_new_tokens),
            judge,
            need_demonstrations=method.mix.demonstrations > 0 or method.finetune is not None,
        )
        online = method.objective.online
        loop = cls(
            run=run,
            files=files,
            method=method,
            policy=policy,
            judge=judge,
            order=ProblemOrder(problems.problems, run.seed),
            schedule=WeightSchedule(method.objective.weight, derive(run.seed, "weight"), logged_weights(files.weights)),
            guard=Guard(files.out / "failed_update", online is not None and online.kind == "logp_signed"),
            buffer=HardBuffer(method.finetune.buffer if method.finetune else 0),
            thought_open=problems.thought_open,
            counts=problems.counts,
        )
        forget_after(files.state, whole_lines(files.metrics))
        state = policy.load_state()
        if state is not None:
            loop.load(state)
        truncate(files.metrics, loop.step)
        return loop

    def train(self, report: Report, stopping: Callable[[], bool], state_seconds: float) -> bool:
        """Steps until the end, or until `stopping` says so after a whole step; returns whether it ended."""
        saved = time.monotonic()
        while self.step < self.run.training.steps and not self.guard.stopped:
            metrics = self.train_step(self.step)
            append(self.files.metrics, metrics)
            report(self.step - 1, metrics)
            if self.step in self.run.snapshots:
                self.policy.save(self.files.snapshots / f"step{self.step}")
            if stopping():
                break
            if time.monotonic() - saved > state_seconds:
                self.policy.save_state(self.step, self.state())
                saved = time.monotonic()
        self.policy.save_state(self.step, self.state())
        return self.step == self.run.training.steps or bool(self.guard.stopped)

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, besides the weights and the optimizers."""
        return {
            "step": self.step,
            "cursor": self.order.cursor,
            "schedule": self.schedule.state(),
            "buffer": list(self.buffer.ids),
            "guard": self.guard.state(),
            "totals": dict(self.totals),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.step, self.order.cursor = state["step"], state["cursor"]
        self.schedule.load(state["schedule"])
        self.buffer.ids = list(state["buffer"])
        self.guard.load(state["guard"])
        self.totals = dict(state["totals"])

    def train_step(self, step: int) -> dict[str, float]:
        """Rollouts, one or more updates, and a fine-tuning step if it is due; returns metrics."""
        started = time.perf_counter()
        training = self.run.training
        self.order.step = step
        sampler = self._sampler("rollout", step)
        groups = self.method.mix(self.order, sampler, training.prompts_per_step, training.group_size)
        metrics = {"train/step": step} | measures.group_metrics(groups) | self._overthinking(groups)
        if sampler.accuracies:
            metrics["train/acc_sampled"] = sum(sampler.accuracies) / len(sampler.accuracies)
        if groups:
            metrics |= self._updates(step, groups)
        if self.method.finetune is not None:
            metrics |= self._finetune(step, groups)
        self.step = step + 1
        seconds = time.perf_counter() - started
        metrics |= self._count("tokens/generated", sampler.tokens)
        trained = metrics.get("tokens/trained", 0) + metrics.get("finetune/tokens", 0)
        metrics |= self._count("tokens/trained", trained)
        hours = self.totals.get("gpu/hours", 0.0) + seconds / 3600 * self.policy.gpus
        self.totals["gpu/hours"] = hours
        return metrics | {
            "opt/lr": learning_rate(step, training),
            "gpu/hours": hours,
            "time/step_s": seconds,
            "time/rollout_s": sampler.seconds,
            "time/update_s": seconds - sampler.seconds,
        }

    def _updates(self, step: int, groups: Seq[Group]) -> dict[str, float]:
        """One optimizer step per share of the prompts; old log-probabilities come first."""
        shares = split(groups, self.run.training.updates_per_rollout)
        if len(shares) == 1:
            return self._update(step, groups, None, share=0)
        old = [self.policy.measure(self._plan(step, share).sequences) for share in shares]
        results = [self._update(step, s, old[i], share=i) for i, s in enumerate(shares)]
        # Shares are equal in prompts: their plain mean is the step's value.
        keys = {key for result in results for key in result}
        merged = {k: sum(r[k] for r in results if k in r) / sum(k in r for r in results) for k in keys}
        return merged | {"tokens/trained": sum(r["tokens/trained"] for r in results)}

    def _update(self, step: int, groups: Seq[Group], old: Pass | None, share: int) -> dict[str, float]:
        """One optimizer step. The first of a step also moves the schedule of w."""
        training, spec, w = self.run.training, self.method.objective, self.schedule.last
        kept = self._plan(step, groups)
        if not kept.sequences:
            return {"tokens/trained": 0}
        metrics: dict[str, float] = {}

        def weigh(before: Pass) -> Plan:
            entropy = measures.step_entropy(before.entropy, before.mask, kept.members.offline_s)
            metrics.update(measures.entropy_metrics(entropy) | self._missing_entropy(step, groups, entropy))
            if share:
                return kept.plan
            metrics.update(measures.weight_metrics(self.schedule.step(step, entropy), spec))
            return kept.plan if self.schedule.last == w else self._plan(step, groups).plan

        done = self.policy.update(
            Order(
                kept.sequences,
                spec,
                weigh,
                old,
                learning_rate(step, training),
                training.grad_clip,
                "main",
                derive(self.run.seed, "update", step, share),
                cosine=bool(training.cosine_every) and step % training.cosine_every == 0,
            )
        )
        update = Update(step, groups, spec, self.schedule.last, self._mu(step), training.temperature)
        metrics |= {**measures.policy_metrics(done.batch, done.plan, spec), **done.metrics}
        metrics |= self._judged(done, training.grad_clip, update)
        self.guard.watch(metrics.get("logp/wrong_mean"))
        losses = {f"loss/{name}": done.terms[name] for name in ("total", "online", "offline", "nll")}
        return metrics | losses | {"tokens/trained": measures.trained_tokens(kept.sequences)}

    def _finetune(self, step: int, groups: Seq[Group]) -> dict[str, float]:
        """ReLIFT's supervised step on the newest hard prompts, with moments of its own (section 7)."""
        finetune, training = self.method.finetune, self.run.training
        assert finetune is not None
        self.buffer.add(groups)
        ids = self.buffer.pop()
        metrics = {"finetune/buffer": float(len(self.buffer.ids)), "finetune/step": float(ids is not None)}
        if ids is None:
            return metrics
        by_id = {p.id: p for p in self.order.problems}
        sampler = self._sampler("finetune", step)
        taught = [Group(by_id[i], (sampler.demonstration(by_id[i]),)) for i in ids]
        spec = ObjectiveSpec(online=None, nll=NLL(1.0), entropy_coef=finetune.entropy_coef)
        kept = UpdateStep.of(taught, spec)
        done = self.policy.update(
            Order(
                kept.sequences,
                spec,
                lambda before: kept.plan,
                None,
                learning_rate(step, training),
                finetune.grad_clip,
                "finetune",
                derive(self.run.seed, "finetune", step),
            )
        )
        update = Update(step, taught, spec, 1.0, None, training.temperature)
        judged = self._judged(done, finetune.grad_clip, update)
        norm = {"finetune/grad_norm": judged["opt/grad_norm"]} if "opt/grad_norm" in judged else {}
        return (
            metrics
            | norm
            | {"finetune/loss": done.terms["total"], "finetune/tokens": float(measures.trained_tokens(kept.sequences))}
        )

    def _judged(self, done: Updated, clip: float, update: Update) -> dict[str, float]:
        """Norm and clipping of an update, or its place among those left out."""
        whole = self.guard.accepts(done.terms["total"], done.norm, update, self.policy.checkpoint)
        norm = {"opt/grad_norm": done.norm, "opt/clipped": float(done.norm > clip)} if whole else {}
        return norm | {"opt/skipped": float(self.guard.skipped)}

    def _missing_entropy(self, step: int, groups: Seq[Group], entropy: StepEntropy) -> dict[str, float]:
        """A method without one kind of member still gets its entropy measured, now and then."""
        every = self.run.training.entropy_every
        problems = [g.problem for g in groups if g.problem.demonstration]
        if not every or step % every or not problems:
            return {}
        sampler = self._sampler("entropy", step)
        if entropy.sft is None:
            sequences = [sampler.demonstration(p) for p in problems]
        elif entropy.rl is None:
            sequences = [s for own in sampler(problems, 1) for s in own]
        else:
            return {}
        measured = self.policy.measure(sequences).measured()
        offline = torch.tensor([s.offline for s in sequences])
        return measures.entropy_metrics(measures.step_entropy(measured.entropy, measured.mask, offline))

    def _plan(self, step: int, groups: Seq[Group]) -> UpdateStep:
        random_s = self._random(step, groups)
        return UpdateStep.of(groups, self.method.objective, self.schedule.last, self._mu(step), random_s)

    def _mu(self, step: int) -> float | None:
        mixture = self.method.objective.mixture
        return mixture_mu(step, mixture) if mixture else None

    def _random(self, step: int, groups: Seq[Group]) -> Tensor | None:
        """The control that puts w on a random 1/group_size of the members (section 12.2)."""
        if self.method.objective.weight.target != "random":
            return None
        count = sum(len(g.members) for g in groups)
        generator = torch.Generator().manual_seed(derive(self.run.seed, "scrambled", step))
        chosen = torch.randperm(count, generator=generator)[: count // self.run.training.group_size]
        return torch.zeros(count, dtype=torch.bool).index_fill(0, chosen, True)

    def _overthinking(self, groups: Seq[Group]) -> dict[str, float]:
        rollouts = [s for g in groups for s in g.rollouts]
        texts = [self.policy.tokenizer.decode(list(s.response)) for s in rollouts]
        return measures.overthinking(texts, measures.trained_tokens(rollouts))

    def _sampler(self, purpose: str, step: int) -> GradedSampler:
        return GradedSampler(
            self.policy.generate,
            self.policy.tokenizer,
            self.policy.eos_id,
            self.judge,
            self.method.reward,
            self.run.training.max_new_tokens,
            self.thought_open,
            derive(self.run.seed, purpose, step),
        )

    def _count(self, name: str, tokens: float) -> dict[str, float]:
        self.totals[name] = self.totals.get(name, 0) + tokens
        return {name: tokens, f"{name}_total": self.totals[name]}


def append(path: Path, metrics: Mapping[str, float]) -> None:
    """One line; a value that is not finite has no place in JSON and is left out."""
    finite = {key: value for key, value in metrics.items() if math.isfinite(value)}
    with path.open("a", encoding="utf-8") as stream:
        stream.write(dump_json(finite) + "\n")


def whole_lines(path: Path) -> int:
    """How many lines of a growing metrics file were written to their end."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def truncate(path: Path, step: int) -> None:
    """Drop lines of steps that the loaded state has not seen; they will be made again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines[:step] if line.endswith("}") and json.loads(line)["train/step"] < step]
    write_atomic(path, "".join(line + "\n" for line in kept))
