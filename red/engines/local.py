"""The local engine: one process, CPU or one GPU. Read `train` first; it is the whole loop.

With one update per rollout the old policy is the policy, so one forward pass gives the loss, the
ratio's denominator and both entropies. All randomness is derived from (seed, purpose, step), so
the resume state holds no generator.
"""

import json
import math
import signal
import time
from collections.abc import Mapping
from collections.abc import Sequence as Seq
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from red.config import RunSpec, Training
from red.data.problems import Limits, ProblemOrder, load_problems
from red.engines import measures
from red.engines.base import Report, RunFiles, Trained
from red.engines.guard import Guard, Update
from red.engines.policy import forward
from red.engines.rollouts import LocalSampler
from red.engines.state import load_state, save_state
from red.engines.step import Pass, UpdateStep
from red.grading.reward import RewardJudge
from red.methods.base import Group, Method
from red.methods.relift import HardBuffer
from red.models import checkpoint as checkpoints
from red.objective.loss import Loss, objective
from red.objective.spec import NLL, ObjectiveSpec
from red.objective.weight import StepEntropy, WeightSchedule, mixture_mu
from red.seeds import derive
from red.storage import dump_json, read_jsonl, write_atomic

STATE_SECONDS = 20.0


def train(run: RunSpec, files: RunFiles, report: Report) -> Trained:
    """Train `run` from `files.parent`, continuing from `files.state` if a state is there."""
    # Bit-for-bit repeatability on CPU needs a fixed number of threads.
    torch.set_num_threads(1)
    method = run.build_method()
    with RewardJudge() as judge, _stop_signal() as stop:
        trainer = _Trainer.start(run, method, files, judge)
        saved = time.monotonic()
        for step in range(trainer.step, run.training.steps):
            metrics = trainer.train_step(step)
            _append(files.metrics, metrics)
            report(step, metrics)
            if step + 1 in run.snapshots:
                checkpoints.save(trainer.checkpoint, files.snapshots / f"step{step + 1}")
            if trainer.guard.stopped:
                break
            if stop or time.monotonic() - saved > STATE_SECONDS:
                save_state(files.state, trainer.step, trainer.state())
                saved = time.monotonic()
            if stop:
                raise SystemExit(128 + stop[0])
        save_state(files.state, trainer.step, trainer.state())
    checkpoints.save(trainer.checkpoint, files.out / "checkpoint")
    files.publish()
    return Trained(trainer.step, trainer.guard.stopped, trainer.counts)


@dataclass
class _Trainer:
    """Everything that changes during training; `state` and `load` are its serialisable memory."""

    run: RunSpec
    method: Method
    checkpoint: checkpoints.Checkpoint
    order: ProblemOrder
    schedule: WeightSchedule
    judge: RewardJudge
    thought_open: bool
    counts: Mapping[str, int]
    guard: Guard
    optimizer: torch.optim.Optimizer
    finetune_optimizer: torch.optim.Optimizer | None
    buffer: HardBuffer
    step: int = 0
    totals: dict[str, float] = field(default_factory=dict)

    @classmethod
    def start(cls, run: RunSpec, method: Method, files: RunFiles, judge: RewardJudge) -> "_Trainer":
        """Load the parent and the data, then the newest valid state."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        checkpoint = checkpoints.load(files.parent, device)
        training = run.training
        problems = load_problems(
            files.prompts, files.demonstrations, checkpoint.tokenizer, checkpoint.eos_id, run.template,
            Limits(training.max_prompt_tokens, training.max_new_tokens), judge,
            need_demonstrations=method.mix.demonstrations > 0 or method.finetune is not None,
        )
        trainer = cls(
            run=run, method=method, checkpoint=checkpoint,
            order=ProblemOrder(problems.problems, run.seed),
            schedule=WeightSchedule(
                method.objective.weight, derive(run.seed, "weight"), logged_weights(files.weights)),
            judge=judge, thought_open=problems.thought_open, counts=problems.counts,
            guard=Guard(files.out / "failed_update", signed=_is_signed(method.objective)),
            optimizer=_adamw(checkpoint.model, training),
            finetune_optimizer=_adamw(checkpoint.model, training) if method.finetune else None,
            buffer=HardBuffer(method.finetune.buffer if method.finetune else 0),
        )
        state = load_state(files.state)
        if state is not None:
            trainer.load(state)
        _truncate(files.metrics, trainer.step)
        return trainer

    def state(self) -> dict[str, Any]:
        """All that the next step depends on."""
        return {
            "step": self.step,
            "model": self.checkpoint.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "finetune": self.finetune_optimizer.state_dict() if self.finetune_optimizer else None,
            "cursor": self.order.cursor,
            "schedule": self.schedule.state(),
            "buffer": self.buffer.ids,
            "guard": self.guard.state(),
            "totals": self.totals,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.step = state["step"]
        self.checkpoint.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.finetune_optimizer is not None:
            self.finetune_optimizer.load_state_dict(state["finetune"])
        self.order.cursor = state["cursor"]
        self.schedule.load(state["schedule"])
        self.buffer.ids = list(state["buffer"])
        self.guard.load(state["guard"])
        self.totals = dict(state["totals"])

    def train_step(self, step: int) -> dict[str, float]:
        """Rollouts, one or more updates, and a fine-tuning step if it is due; returns metrics."""
        started = time.perf_counter()
        training, metrics = self.run.training, {"train/step": step}
        self.order.step = step
        sampler = self._sampler("rollout", step)
        groups = self.method.mix(self.order, sampler, training.prompts_per_step, training.group_size)
        metrics |= measures.group_metrics(groups)
        if sampler.accuracies:
            metrics["train/acc_sampled"] = sum(sampler.accuracies) / len(sampler.accuracies)
        metrics |= self._overthinking(groups)
        lr = learning_rate(step, training)
        for optimizer in filter(None, (self.optimizer, self.finetune_optimizer)):
            for parameters in optimizer.param_groups:
                parameters["lr"] = lr
        if groups:
            metrics |= self._updates(step, groups)
        if self.method.finetune is not None:
            metrics |= self._finetune(step, groups)
        self.step = step + 1
        seconds = time.perf_counter() - started
        metrics |= self._count("tokens/generated", sampler.tokens)
        trained = metrics.get("tokens/trained", 0) + metrics.get("finetune/tokens", 0)
        metrics |= self._count("tokens/trained", trained)
        hours = seconds / 3600 if torch.cuda.is_available() else 0.0
        self.totals["gpu/hours"] = self.totals.get("gpu/hours", 0.0) + hours
        return metrics | {
            "opt/lr": lr, "gpu/hours": self.totals["gpu/hours"], "time/rollout_s": sampler.seconds,
            "time/update_s": seconds - sampler.seconds, "time/step_s": seconds,
        }

    def _updates(self, step: int, groups: Seq[Group]) -> dict[str, float]:
        """One optimizer step per share of the prompts; w and old log-probabilities come first."""
        shares = _split(groups, self.run.training.updates_per_rollout)
        if len(shares) == 1:
            return self._update(step, groups, None, first=True)
        with torch.no_grad():
            old = [self._forward(self._plan(step, share)) for share in shares]
        results = [self._update(step, s, old[i], first=i == 0) for i, s in enumerate(shares)]
        # Shares are equal in prompts: their plain mean is the step's value.
        keys = {key for result in results for key in result}
        merged = {k: sum(r[k] for r in results if k in r) / sum(k in r for r in results) for k in keys}
        return merged | {"tokens/trained": sum(r["tokens/trained"] for r in results)}

    def _update(self, step: int, groups: Seq[Group], old: Pass | None, first: bool) -> dict[str, float]:
        """One optimizer step: forward, entropies, w, loss, backward."""
        training, spec = self.run.training, self.method.objective
        kept = self._plan(step, groups)
        if not kept.sequences:
            return {"tokens/trained": 0}
        now = self._forward(kept)
        entropy = measures.step_entropy(now.entropy, now.mask, kept.members.offline_s)
        metrics = measures.entropy_metrics(entropy) | self._missing_entropy(step, groups, entropy)
        if first:
            # w needs this pass's entropies; the plan that carries it follows.
            metrics |= measures.weight_metrics(self.schedule.step(step, entropy), spec)
            kept = self._plan(step, groups)
        batch = now.batch(old)
        loss = objective(batch, spec, kept.plan)
        metrics |= measures.policy_metrics(batch, kept.plan, spec)
        if training.cosine_every and step % training.cosine_every == 0:
            metrics |= self._gradient_cosine(loss)
        update = Update(step, groups, spec, self.schedule.last, self._mu(step), training.temperature)
        metrics |= self._optimize(loss.total, self.optimizer, training.grad_clip, update)
        self.guard.watch(metrics.get("logp/wrong_mean"))
        return metrics | _loss_metrics(loss) | {
            "tokens/trained": measures.trained_tokens(kept.sequences)}

    def _plan(self, step: int, groups: Seq[Group]) -> UpdateStep:
        return UpdateStep.of(groups, self.method.objective, self.schedule.last, self._mu(step),
                             self._random(step, groups), self.device)

    def _forward(self, step: UpdateStep) -> Pass:
        training = self.run.training
        return step.forward(self.checkpoint.model, training.temperature, training.tokens_per_forward)

    def _mu(self, step: int) -> float | None:
        mixture = self.method.objective.mixture
        return mixture_mu(step, mixture) if mixture else None

    @property
    def device(self) -> torch.device:
        """Where the policy is."""
        return next(self.checkpoint.model.parameters()).device

    def _optimize(
        self, loss: Tensor, optimizer: torch.optim.Optimizer, clip: float, update: Update
    ) -> dict[str, float]:
        """Backward, clip, step. A non-finite loss or gradient is skipped and saved for replay."""
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.checkpoint.model.parameters(), clip).item()
        if self.guard.accepts(loss.item(), norm, update, self.checkpoint):
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return {"opt/grad_norm": norm, "opt/clipped": float(norm > clip),
                "opt/skipped": float(self.guard.skipped)}

    def _finetune(self, step: int, groups: Seq[Group]) -> dict[str, float]:
        """ReLIFT's supervised step on the newest hard prompts, with its own optimizer (section 7)."""
        finetune = self.method.finetune
        assert finetune is not None and self.finetune_optimizer is not None
        self.buffer.add(groups)
        ids = self.buffer.pop()
        metrics = {"finetune/buffer": float(len(self.buffer.ids)), "finetune/step": float(ids is not None)}
        if ids is None:
            return metrics
        by_id = {p.id: p for p in self.order.problems}
        sampler = self._sampler("finetune", step)
        taught = [Group(by_id[i], (sampler.demonstration(by_id[i]),)) for i in ids]
        spec = ObjectiveSpec(online=None, nll=NLL(1.0), entropy_coef=finetune.entropy_coef)
        kept = UpdateStep.of(taught, spec, device=self.device)
        loss = objective(self._forward(kept).batch(), spec, kept.plan)
        update = Update(step, taught, spec, 1.0, None, self.run.training.temperature)
        result = self._optimize(loss.total, self.finetune_optimizer, finetune.grad_clip, update)
        return metrics | {"finetune/loss": loss.total.item(), "finetune/grad_norm": result["opt/grad_norm"],
                          "finetune/tokens": float(measures.trained_tokens(kept.sequences))}

    def _missing_entropy(
        self, step: int, groups: Seq[Group], entropy: StepEntropy
    ) -> dict[str, float]:
        """A method without one kind of member still gets its entropy measured, now and then."""
        every = self.run.training.entropy_every
        if not every or step % every:
            return {}
        problems = [g.problem for g in groups if g.problem.demonstration]
        training, sampler = self.run.training, self._sampler("entropy", step)
        if entropy.sft is None and problems:
            sequences = [sampler.demonstration(p) for p in problems]
        elif entropy.rl is None and problems:
            sequences = [s for own in sampler(problems, 1) for s in own]
        else:
            return {}
        with torch.no_grad():
            _, values, mask = forward(
                self.checkpoint.model, sequences, training.temperature, training.tokens_per_forward)
        offline = torch.tensor([s.offline for s in sequences], device=mask.device)
        return measures.entropy_metrics(measures.step_entropy(values, mask, offline))

    def _gradient_cosine(self, loss: Loss) -> dict[str, float]:
        """Cosine between the gradients of the online part and of the demonstrations' part."""
        parameters = list(self.checkpoint.model.parameters())
        taught = loss.offline + self.method.objective.nll.coefficient * loss.nll
        parts = [torch.autograd.grad(part, parameters, retain_graph=True) for part in (loss.online, taught)]
        online, offline = (torch.cat([g.flatten() for g in gradients]) for gradients in parts)
        norms = online.norm() * offline.norm()
        return {"grad/cosine": (online @ offline / norms).item()} if norms > 0 else {}

    def _overthinking(self, groups: Seq[Group]) -> dict[str, float]:
        rollouts = [s for g in groups for s in g.rollouts]
        texts = self.checkpoint.tokenizer.decode_batch([list(s.response) for s in rollouts])
        return measures.overthinking(texts, measures.trained_tokens(rollouts))

    def _random(self, step: int, groups: Seq[Group]) -> Tensor | None:
        """The control that puts w on a random 1/group_size of the members (section 12.2)."""
        if self.method.objective.weight.target != "random":
            return None
        count = sum(len(g.members) for g in groups)
        generator = torch.Generator().manual_seed(derive(self.run.seed, "scrambled", step))
        chosen = torch.randperm(count, generator=generator)[: count // self.run.training.group_size]
        return torch.zeros(count, dtype=torch.bool).index_fill(0, chosen, True)

    def _sampler(self, purpose: str, step: int) -> LocalSampler:
        training = self.run.training
        return LocalSampler(
            self.checkpoint, self.judge, self.method.reward, training.max_new_tokens,
            training.temperature, self.thought_open,
            torch.Generator().manual_seed(derive(self.run.seed, purpose, step)),
        )

    def _count(self, name: str, tokens: float) -> dict[str, float]:
        self.totals[name] = self.totals.get(name, 0) + tokens
        return {name: tokens, f"{name}_total": self.totals[name]}


def learning_rate(step: int, training: Training) -> float:
    """Rate of the update number `step` (from 0): linear warm-up, then the schedule."""
    warmup = training.warmup * training.steps
    if step < warmup:
        return training.lr * (step + 1) / max(warmup, 1)
    progress = (step - warmup) / max(training.steps - warmup, 1)
    match training.lr_schedule:
        case "constant":
            factor = 1.0
        case "linear":
            factor = 1 - progress
        case "cosine":
            factor = 0.5 * (1 + math.cos(math.pi * progress))
    return training.lr * (training.lr_floor + (1 - training.lr_floor) * factor)


def logged_weights(metrics: Path | None) -> list[float]:
    """The w of each step that another run logged, in order."""
    if metrics is None:
        return []
    return [row["red/w"] for row in read_jsonl(metrics) if "red/w" in row]


def _is_signed(spec: ObjectiveSpec) -> bool:
    return spec.online is not None and spec.online.kind == "logp_signed"


def _adamw(model: torch.nn.Module, training: Training) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        model.parameters(), lr=training.lr, betas=training.betas, weight_decay=training.weight_decay)


def _split(groups: Seq[Group], parts: int) -> list[list[Group]]:
    size = max(1, len(groups) // parts)
    shares = [list(groups[i * size : (i + 1) * size]) for i in range(parts - 1)]
    return [share for share in [*shares, list(groups[(parts - 1) * size :])] if share]


def _loss_metrics(loss: Loss) -> dict[str, float]:
    return {f"loss/{n}": getattr(loss, n).item() for n in ("total", "online", "offline", "nll")}


def _append(path: Path, metrics: Mapping[str, float]) -> None:
    """A value that is not finite is left out: `opt/skipped` tells of it."""
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    with path.open("a", encoding="utf-8") as stream:
        stream.write(dump_json(finite) + "\n")


def _truncate(path: Path, step: int) -> None:
    """Drop lines of steps that the loaded state has not seen; they will be made again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines[:step] if line.endswith("}") and json.loads(line)["train/step"] < step]
    write_atomic(path, "".join(line + "\n" for line in kept))


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
