"""The training loop of every method under every engine.

One step: the method's mix samples groups; then, once or several times, forward, plan, loss and step;
then the method's second kind of step if it is due. All randomness is derived from (seed, purpose, step),
so the state holds no generator.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Seq
from dataclasses import astuple, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from red.data.memory import remembered, tokenizer_files
from red.data.problems import Limits, ProblemOrder, ProblemSet, load_problems
from red.errors import DataError
from red.grading.reward import RewardJudge
from red.methods.base import Group, Memory, Method, MixtureController
from red.models.folder import check_window, window
from red.models.passes import Pass
from red.objective.loss import with_mean_gains
from red.objective.noise import gradient_noise
from red.seeds import derive
from red.text.tokens import decoded
from red.training import measures
from red.training.files import Report, RunFiles
from red.training.guard import Guard
from red.training.metrics_log import append, truncate, whole_lines
from red.training.policy import Policy
from red.training.rollouts import GradedSampler
from red.training.schedule import learning_rate, logged_w, mixture_mu, shares
from red.training.spec import RunSpec
from red.training.state import forget_after
from red.training.update import Enrolment, Update, UpdateResult, taught
from red.training.weight import WeightSchedule


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
    memory: Memory | None
    mixture: MixtureController | None
    thought_open: bool
    counts: Mapping[str, int]
    window: int | None = None
    step: int = 0
    totals: dict[str, float] = field(default_factory=dict)
    learned: Counter[str] = field(default_factory=Counter)

    @classmethod
    def start(cls, run: RunSpec, files: RunFiles, policy: Policy, judge: RewardJudge) -> "Loop":
        """Load the data, then the newest valid state."""
        training, method = run.training, run.build_method()
        limits, needed = Limits(training.max_prompt_tokens, training.max_new_tokens), method.needs_demonstrations
        rows = (files.prompts, files.demonstrations)
        inputs = {
            "rows": list(rows),
            "tokenizer": tokenizer_files(files.parent),
            "ends": list(policy.codec.stop_ids),
            "template": run.template,
            "limits": [limits.prompt, limits.response],
            "need_demonstrations": needed,
            "rule": method.reward.rule,
        }

        def load() -> ProblemSet:
            return load_problems(*rows, policy.codec, run.template, limits, judge, needed)

        problems = remembered(files.problems, inputs, load)
        longest = max(problems.problems, key=lambda problem: len(problem.prompt))
        new = training.max_new_tokens
        check_window(files.parent, f"prompt {longest.id}", len(longest.prompt), new, "training.max_new_tokens")
        if method.learns_demonstrations and not any(problem.demonstration for problem in problems.problems):
            raise DataError(f"{files.demonstrations}: no prompt has a demonstration, from which {run.method} learns")
        if method.needs_wrong_traces and not any(problem.wrong for problem in problems.problems):
            raise DataError(
                f"{files.demonstrations}: no row has a wrong trace, from which {run.method} learns; name a corruption "
                "whose function is wrong_traces"
            )
        loop = cls(
            run=run,
            files=files,
            method=method,
            policy=policy,
            judge=judge,
            order=ProblemOrder(problems.problems, run.seed),
            schedule=WeightSchedule(method.objective.weight, derive(run.seed, "weight"), logged_w(files.w_log)),
            guard=Guard(files.out / "failed_update", method.objective, training.temperature),
            memory=method.second_step.start() if method.second_step else None,
            mixture=method.mixture_control.start() if method.mixture_control else None,
            thought_open=problems.thought_open,
            counts=problems.counts,
            window=window(files.frozen(method.teacher) or files.parent) if method.teacher else None,
        )
        whole = min([whole_lines(files.metrics), *(step - 1 for step in files.broken_snapshots(run.snapshots))])
        forget_after(files.state, whole)
        state = policy.load_state()
        if state is not None:
            loop.load(state)
        if loop.step > whole:
            raise DataError(
                f"{files.state}: of step {loop.step}, but its metrics or snapshots are whole up to step {whole} only; "
                "delete it to train again"
            )
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
            "memory": [] if self.memory is None else self.memory.state(),
            "mixture": {} if self.mixture is None else self.mixture.state(),
            "guard": self.guard.state(),
            "totals": dict(self.totals),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.step, self.order.cursor = state["step"], state["cursor"]
        self.schedule.load(state["schedule"])
        if self.memory is not None:
            self.memory.load(state["memory"])
        if self.mixture is not None:
            self.mixture.load(state["mixture"])
        self.guard.load(state["guard"])
        self.totals = dict(state["totals"])

    def train_step(self, step: int) -> dict[str, float]:
        """Rollouts, one or more updates, and a second kind of step if it is due; returns metrics."""
        started = time.perf_counter()
        training = self.run.training
        self.order.step = step
        self.learned.clear()
        before = self.order.cursor
        sampler = self._sampler("rollout", step)
        groups = self.method.mix(self.order, sampler, training.prompts_per_step, training.group_size)
        metrics: dict[str, float] = {"train/step": step, "train/prompts": self.order.cursor - before}
        metrics |= measures.group_metrics(groups) | self._overthinking(groups) | sampler.metrics()
        metrics |= self._updates(step, groups)
        metrics |= self._second_step(step, groups)
        self.step = step + 1
        return metrics | self._account(sampler, time.perf_counter() - started)

    def _updates(self, step: int, groups: Seq[Group]) -> dict[str, float]:
        """One update per share of the prompts; old log-probabilities come first."""
        spec = self.method.objective
        parts = shares(groups, self.run.training, spec)
        if len(parts) < 2:
            return self._update(step, 0, groups, None) if groups else {}
        enrolled = [Enrolment.of(part, spec).sequences for part in parts]
        old = [self.policy.measure(sequences) if sequences else None for sequences in enrolled]
        results = [self._update(step, i, part, old[i]) for i, part in enumerate(parts)]
        return measures.mean_of(results)

    def _update(self, step: int, number: int, groups: Seq[Group], old: Pass | None) -> dict[str, float]:
        """Forward, plan, loss and step. The first update of a step also moves w.

        `old` is the pass of the policy that sampled; without it that policy is the current one.
        """
        training, spec = self.run.training, self.method.objective
        enrolled = Enrolment.of(groups, spec)
        if not enrolled.sequences:
            return {}
        # w is made of the entropies of the pass that gives the old log-probabilities; a settled one does not wait.
        read = self.mixture is not None or not self.schedule.is_settled
        before = old or self.policy.before(enrolled.sequences, read)
        metrics = self._missing_entropy(step, groups, enrolled)
        measured = None if before is None else before.measured()
        if measured is not None:
            metrics |= self._entropies(step, number, enrolled, measured.entropy, measured.mask)
        mu = None if spec.mixture is None else mixture_mu(step, spec.mixture)
        plan = enrolled.plan(spec, self.schedule.last, mu, self._random(step, groups))
        if before is not None and old is not None and spec.residual is not None:
            now = self.policy.measure(enrolled.sequences).measured()
            plan = with_mean_gains(plan, now.batch(before.measured()), spec.residual, enrolled.group_s)
        if self.mixture is not None:
            assert measured is not None, "read for the mixture"
            noise = gradient_noise(measured.batch(measured), spec.nll, plan) if number == 0 else None
            if noise is not None:
                self.mixture.step(plan.mu, astuple(noise))
            plan = replace(plan, mu=self.mixture.mu)
        update = Update(
            step,
            enrolled.sequences,
            spec,
            plan,
            before,
            on_policy=old is None,
            lr=learning_rate(step, training),
            clip=training.grad_clip,
            moments="main",
            seed=derive(self.run.seed, "update", step, number),
            skip=training.skip_norm,
            cosine=bool(training.cosine_every) and step % training.cosine_every == 0,
            teacher_logp=self._taught(groups, enrolled),
        )
        result = self.policy.step(update)
        batch = result.batch
        if measured is None:
            metrics |= self._entropies(step, number, enrolled, batch.entropy_st, batch.mask_st)
        else:  # entropies are those before the update under either engine
            batch = replace(batch, entropy_st=measured.entropy)
        metrics |= {**measures.policy_metrics(batch, update.plan, spec), **result.metrics}
        metrics |= self._judged(result, update)
        if mu is not None:
            metrics["loss/mu"] = plan.mu
        self.guard.watch(metrics.get("logp/wrong_mean"))
        self.learned.update(measures.learned(update.sequences))
        return metrics | {f"loss/{name}": result.terms[name] for name in ("total", "rollout", "demonstration", "nll")}

    def _taught(self, groups: Seq[Group], enrolled: Enrolment) -> Tensor | None:
        """The teacher's log-probabilities of an update's sequences, where the loss reads them."""
        teacher = self.method.teacher
        if teacher is None or not self.method.objective.advantage.teacher:
            return None
        measure = self.policy.measure if teacher.is_policy else self.policy.teach
        return taught(teacher, groups, enrolled.used_s.tolist(), self.window, measure)

    def _entropies(
        self, step: int, number: int, enrolled: Enrolment, entropy_st: Tensor, mask_st: Tensor
    ) -> dict[str, float]:
        """The entropies of both kinds of member; those of a step's first update move w."""
        entropy = measures.step_entropy(entropy_st, mask_st, enrolled.is_rollout, enrolled.is_demonstration)
        moved = {}
        if number == 0:
            moved = measures.weight_metrics(self.schedule.step(step, entropy), self.method.objective)
        return measures.entropy_metrics(entropy) | moved

    def _second_step(self, step: int, groups: Seq[Group]) -> dict[str, float]:
        """The method's second kind of step, with moments of its own, on the demonstrations that are due."""
        second, memory = self.method.second_step, self.memory
        if second is None or memory is None:
            return {}
        due = self.order.named(memory.due(groups))
        name = second.name
        metrics = {f"{name}/buffer": float(len(memory)), f"{name}/step": float(bool(due))}
        if not due:
            return metrics
        sampler = self._sampler(name, step)
        enrolled = Enrolment.of([Group(p, (sampler.demonstration(p),)) for p in due], second.objective)
        update = Update(
            step,
            enrolled.sequences,
            second.objective,
            enrolled.plan(second.objective, 1.0, None),
            self.policy.before(enrolled.sequences, read=False),
            on_policy=True,
            lr=learning_rate(step, self.run.training),
            clip=second.grad_clip,
            moments=name,
            seed=derive(self.run.seed, name, step),
        )
        result = self.policy.step(update)
        judged = self._judged(result, update)
        norm = {f"{name}/grad_norm": judged["opt/grad_norm"]} if "opt/grad_norm" in judged else {}
        self.learned.update(measures.learned(update.sequences))
        trained = float(measures.trained_tokens(update.sequences))
        return metrics | norm | {f"{name}/loss": result.terms["total"], f"{name}/tokens": trained}

    def _judged(self, result: UpdateResult, update: Update) -> dict[str, float]:
        """Norm and clipping of an update, or its place among those left out."""
        whole = self.guard.accepts(result, update, self.policy.checkpoint)
        norm = {"opt/grad_norm": result.norm, "opt/clipped": float(result.norm > update.clip)} if whole else {}
        return norm | {"opt/skipped": float(self.guard.skipped)}

    def _missing_entropy(self, step: int, groups: Seq[Group], enrolled: Enrolment) -> dict[str, float]:
        """A method without one kind of member still gets its entropy measured, now and then."""
        every = self.run.training.entropy_every
        problems = [g.problem for g in groups if g.problem.demonstration]
        if not every or step % every or not problems:
            return {}
        sampler = self._sampler("entropy", step)
        if not enrolled.is_demonstration.any():
            sequences = [sampler.demonstration(p) for p in problems]
        elif not enrolled.is_rollout.any():
            sequences = [rollout for (rollout,) in sampler(problems, 1)]
        else:
            return {}
        measured = self.policy.measure(sequences).measured()
        is_demonstration = torch.tensor([s.is_demonstration for s in sequences])
        kinds = ~is_demonstration, is_demonstration
        return measures.entropy_metrics(measures.step_entropy(measured.entropy, measured.mask, *kinds))

    def _random(self, step: int, groups: Seq[Group]) -> Tensor | None:
        """The control that puts w on a random 1/group_size of the members in the loss."""
        if self.method.objective.weight.target != "random":
            return None
        in_loss = torch.tensor([member.in_loss for g in groups for member in g.members])
        kept = in_loss.nonzero()[:, 0]
        generator = torch.Generator().manual_seed(derive(self.run.seed, "scrambled", step))
        chosen = torch.randperm(len(kept), generator=generator)[: len(kept) // self.run.training.group_size]
        return torch.zeros_like(in_loss).index_fill(0, kept[chosen], True)

    def _overthinking(self, groups: Seq[Group]) -> dict[str, float]:
        rollouts = [s for g in groups for s in g.rollouts]
        tokenizer = self.policy.codec.tokenizer
        texts = [decoded(tokenizer, s.response, skip_special_tokens=True) for s in rollouts]
        return measures.overthinking(texts, measures.trained_tokens(rollouts))

    def _sampler(self, purpose: str, step: int) -> GradedSampler:
        return GradedSampler(
            self.policy.generate,
            self.policy.codec,
            self.judge,
            self.method.reward,
            self.run.training.max_new_tokens,
            self.thought_open,
            derive(self.run.seed, purpose, step),
        )

    def _account(self, sampler: GradedSampler, seconds: float) -> dict[str, float]:
        """Tokens of this step and so far, GPU-hours so far, and where the time went."""
        counts = {"tokens/generated": sampler.tokens, **measures.learned(()), **self.learned}
        hours = seconds / 3600 * self.policy.gpus
        totals = {name: counts[name] for name in ("tokens/generated", "tokens/trained")} | {"gpu/hours": hours}
        for name, value in totals.items():
            self.totals[name] = self.totals.get(name, 0) + value
        return counts | {
            "tokens/generated_total": self.totals["tokens/generated"],
            "tokens/trained_total": self.totals["tokens/trained"],
            "opt/lr": learning_rate(self.step - 1, self.run.training),
            "gpu/hours": self.totals["gpu/hours"],
            "time/step_s": seconds,
            "time/rollout_s": sampler.seconds,
            "time/update_s": seconds - sampler.seconds,
        }
