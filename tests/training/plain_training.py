"""A whole training written out a second time: plain equations, textbook passes in float64, AdamW by its formula.

The rollouts are the script's; everything that follows from them is computed here: verdicts and rewards, groups, old
log-probabilities, entropies, w, mu, gradients, the clipped update, the learning rate.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from red.seeds import derive
from tests.methods import plain, plain_further
from tests.training import toy
from tests.training.plain_groups import Group, Member, PlainGroups

SIDES = {"entropy/rollout": False, "entropy/demonstration": True}

Pass = list[tuple[Tensor, Tensor]]


@dataclass
class PlainTraining(PlainGroups):
    """`step` makes the next step and returns what it should have logged."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.model = toy.base().model.double()
        self.parameters = list(self.model.parameters())
        self.teachers = {name: toy.base(name).model.double() for name in ("base", "teacher")}
        self.moments = {
            name: [[torch.tensor(0.0), torch.zeros_like(p), torch.zeros_like(p)] for p in self.parameters]
            for name in ("main", "finetune")
        }
        self.trained = 0
        self.entropies: dict[str, list[float]] = {name: [] for name in SIDES}
        self.hard: list[int] = []
        self.mu, self.noise = 0.5, list[float]()

    # --- an update ----------------------------------------------------------------------------------

    def taught_logp(self, members: list[Member]) -> list[list[float] | None]:
        """Sections 17.14 and 17.15."""
        settings = self.variant.overrides.get("teacher", {})
        if self.variant.method == "opd":
            return [logp.tolist() for logp, _ in self.passed(members, self.teachers["teacher"])]
        if self.variant.method == "opsd":
            model = self.model if settings.get("weights") == "current" else self.teachers["base"]
            behind = [replace(m, prompt=m.prompt + self.taught(m.problem)[: toy.LIMIT] + m.prompt) for m in members]
            return [logp.tolist() for logp, _ in self.passed(behind, model)]
        return [None] * len(members)

    def passed(self, members: list[Member], model: torch.nn.Module | None = None) -> Pass:
        """log pi at the rollouts' temperature and entropy at temperature 1, of each response token."""
        texts = [member.prompt + member.response for member in members]
        longest = max(map(len, texts))
        rows = (model or self.model)(torch.tensor([text + [0] * (longest - len(text)) for text in texts]))
        found = []
        for member, text, row in zip(members, texts, rows, strict=True):
            logits = row[len(member.prompt) - 1 : len(text) - 1]
            logp = (logits / self.training.temperature).log_softmax(-1)
            share = logits.softmax(-1)
            chosen = logp.gather(1, torch.tensor(member.response)[:, None])[:, 0]
            found.append((chosen, -(share * share.log()).sum(-1)))
        return found

    def gradient(self, terms: Callable[[plain.Step], plain.Terms], step: plain.Step, now: Pass) -> list[Tensor]:
        """By the weights, from the plain derivatives by log-probabilities and entropies."""
        found = plain.evaluate(terms, step)
        surrogate = torch.zeros((), dtype=torch.float64)
        for (logp, entropy), by_logp, by_entropy in zip(now, found["by_logp"], found["by_entropy"], strict=True):
            surrogate = surrogate + logp @ torch.tensor(by_logp).double() + entropy @ torch.tensor(by_entropy).double()
        return list(torch.autograd.grad(surrogate, self.parameters, retain_graph=True))

    def update(
        self,
        terms: Callable[[plain.Step], plain.Terms],
        members: list[Member],
        old: Pass | None,
        lr: float,
        weigh: Callable[[dict[str, float]], float],
        mu: float = 0.0,
        marked: list[int] | None = None,
        clip: float | None = None,
        moments: str = "main",
        cosine: bool = False,
    ) -> dict[str, float]:
        """One optimizer step; what it logs. Entropies are those of the pass that gives the old log-probabilities."""
        now = self.passed(members)
        old = old or now
        rows = [
            plain.Sequence(
                m.group,
                m.is_demonstration,
                m.reward,
                m.accuracy,
                [1] * len(m.response),
                *_lists(logp, before, entropy),
                m.kept,
                m.prefix,
                teacher_logp=told,
            )
            for m, (logp, entropy), (before, _), told in zip(members, now, old, self.taught_logp(members), strict=True)
        ]
        step = plain.Step(rows, toy.LIMIT, 1.0, mu, marked or [])
        kept = sorted({i for i, _ in terms(step).entropy})
        if not kept:
            return {}
        logged = self.mean_entropies([members[i] for i in kept], [old[i] for i in kept])
        logged["red/w"] = weigh(logged)
        step = replace(step, w=logged["red/w"])
        if self.variant.method == "gac":
            step = replace(step, mu=self.adapted(step))
            logged["loss/mu"] = step.mu
        if cosine:
            logged |= self.cosine(terms, step, now)
        gradient = self.gradient(terms, step, now)
        losses = plain.evaluate(terms, step)
        norm = math.sqrt(sum(g.square().sum().item() for g in gradient))
        clip = clip or self.training.grad_clip
        applied = norm <= (self.training.skip_norm or math.inf)
        if applied:
            self.adamw([g * min(1.0, clip / max(norm, 1e-9)) for g in gradient], lr, self.moments[moments])
        self.trained += sum(len(members[i].response) for i in kept)
        logged |= {f"loss/{name}": losses[name] for name in ("total", "rollout", "demonstration", "nll")}
        return logged | ({"opt/grad_norm": norm} if applied else {})

    def adapted(self, step: plain.Step) -> float:
        """Section 17.10."""
        control = self.variant.overrides["mixture_control"]
        found = plain_further.noise(step)
        old = self.noise or found
        self.noise = [control["decay"] * o + (1 - control["decay"]) * f for o, f in zip(old, found, strict=True)]
        r, s, d = self.noise
        moved = control["mu_decay"] * self.mu + (1 - control["mu_decay"]) * (d / 2 + r) / (d + s + r + 1e-8)
        aim = (1 - control["prior_share"]) * min(max(moved, 0.05), 0.9) + control["prior_share"] * step.mu
        self.mu = min(max(aim, self.mu - control["cap"]), self.mu + control["cap"])
        return self.mu

    def mean_entropies(self, members: list[Member], now: Pass) -> dict[str, float]:
        """Section 12.2: mean over sequences of the mean over tokens."""
        found = {}
        for name, is_demonstration in SIDES.items():
            means = [
                h.mean().item()
                for m, (_, h) in zip(members, now, strict=True)
                if m.is_demonstration is is_demonstration and not m.prefix
            ]
            if means:
                found[name] = sum(means) / len(means)
        return found

    def cosine(self, terms: Callable[[plain.Step], plain.Terms], step: plain.Step, now: Pass) -> dict[str, float]:
        """Between the gradients of the terms on rollouts and of those on demonstrations."""
        rollout = self.gradient(lambda s: plain.Terms(rollout=terms(s).rollout), step, now)
        taught = self.gradient(lambda s: replace(terms(s), rollout={}, c_entropy=0.0), step, now)
        one, other = (torch.cat([g.flatten() for g in part]) for part in (rollout, taught))
        return {"grad/cosine": (one @ other / (one.norm() * other.norm())).item()}

    @torch.no_grad()
    def adamw(self, gradient: list[Tensor], lr: float, moments: list[list[Tensor]]) -> None:
        for parameter, g, moment in zip(self.parameters, gradient, moments, strict=True):
            moment[0] += 1
            for index, (beta, value) in enumerate(zip(self.training.betas, (g, g * g), strict=True), 1):
                moment[index] = beta * moment[index] + (1 - beta) * value
            first, second = (moment[i] / (1 - self.training.betas[i - 1] ** moment[0]) for i in (1, 2))
            parameter -= lr * self.training.weight_decay * parameter + lr * first / (second.sqrt() + 1e-8)

    # --- a step -------------------------------------------------------------------------------------

    def rate(self, step: int) -> float:
        """Two fifths of the span are warm-up, the others half a cosine down to a fifth."""
        span = self.training.lr_steps or 5
        rising, falling = span * 2 // 5, span * 3 // 5
        if step < rising:
            return 1e-2 * (step + 1) / rising
        return 1e-2 * (0.2 + 0.8 * (1 + math.cos(math.pi * (step - rising) / falling)) / 2)

    def weigh(self, logged: dict[str, float]) -> float:
        """w of this step; the entropies become the next one's references."""
        if self.variant.method not in ("red", "red_intended", "red_released"):
            return 1.0
        for name, history in self.entropies.items():
            history.append(logged[name])
        return self.variant.case.weights(self.entropies["entropy/rollout"], self.entropies["entropy/demonstration"])[-1]

    def step(self, number: int) -> dict[str, float]:
        """Several updates log their mean."""
        generated, trained = self.generated, self.trained
        groups = self.groups(number)
        shares = [[m for _, g in share for m in g] for share in self.shares(groups)]
        olds = [self.passed(share) if len(shares) > 1 else None for share in shares]
        logged: list[dict[str, float]] = []
        for share, old in zip(shares, olds, strict=True):
            other = {} if logged else self.missing_entropy(number, groups)
            found = self.update(
                self.variant.case.terms,
                share,
                old,
                self.rate(number),
                weigh=(lambda _: logged[0]["red/w"]) if logged else self.weigh,
                mu=self.variant.case.mu(number),
                marked=self.marked(number, share) if self.variant.case.marked else None,
                cosine=bool(self.training.cosine_every) and number % self.training.cosine_every == 0,
            )
            logged.append(found | other)
        columns = {key: [row[key] for row in logged if key in row] for key in {key for row in logged for key in row}}
        merged = {key: sum(column) / len(column) for key, column in columns.items()}
        merged |= {"opt/lr": self.rate(number)}
        if self.variant.method.startswith("chord"):
            merged["loss/mu"] = self.variant.case.mu(number)
        if self.variant.method == "relift":
            merged |= self.finetune(groups, number)
        return merged | {
            "tokens/generated": self.generated - generated,
            "tokens/trained": self.trained - trained,
            "tokens/generated_total": self.generated,
            "tokens/trained_total": self.trained,
        }

    def shares(self, groups: list[Group]) -> list[list[Group]]:
        """As many groups in each; or, for HPT, as many sequences as the gate leaves, of whole groups."""
        most = self.training.sequences_per_update
        if most is None:
            size = len(groups) // self.training.updates_per_rollout
            return [groups[i * size : (i + 1) * size] for i in range(self.training.updates_per_rollout)]
        found: list[list[Group]] = []
        room = 0
        for group in groups:
            left = sum(not m.is_demonstration for m in group[1]) if any(m.accuracy for m in group[1][:-1]) else 1
            if left > room:
                found.append([])
                room = most
            found[-1].append(group)
            room -= left
        return found

    def marked(self, number: int, members: list[Member]) -> list[int]:
        """A random share of one in a group's size, of what is in the loss."""
        kept = [i for i, member in enumerate(members) if member.kept]
        generator = torch.Generator().manual_seed(derive(self.run.seed, "scrambled", number))
        order = torch.randperm(len(kept), generator=generator).tolist()
        return [kept[i] for i in order[: len(kept) // self.training.group_size]]

    def missing_entropy(self, number: int, groups: list[Group]) -> dict[str, float]:
        """Of the kind of member that the method does not have, now and then."""
        every = self.training.entropy_every
        if not every or number % every:
            return {}
        if self.variant.method == "sft":
            calls = zip(groups, self.calls.pop(0), strict=True)
            members = [self.member(0, problem, response) for (problem, _), (_, [response]) in calls]
        else:
            members = [self.demonstration(0, problem) for problem, _ in groups]
        return self.mean_entropies(members, self.passed(members))

    def finetune(self, groups: list[Group], number: int) -> dict[str, float]:
        """Section 7.3."""
        finetune = self.variant.overrides["second_step"]
        self.hard = [p for p, members in groups if not any(m.accuracy for m in members)] + self.hard
        if len(self.hard) < finetune["buffer"]:
            return {"finetune/step": 0.0, "finetune/buffer": len(self.hard)}
        chosen, self.hard = self.hard[: finetune["buffer"]], self.hard[finetune["buffer"] :]
        found = self.update(
            lambda step: replace(plain.sft(step), c_entropy=finetune["entropy_coef"]),
            [self.demonstration(i, problem) for i, problem in enumerate(chosen)],
            None,
            self.rate(number),
            weigh=lambda _: 1.0,
            clip=finetune["grad_clip"],
            moments="finetune",
        )
        return {
            "finetune/step": 1.0,
            "finetune/buffer": len(self.hard),
            "finetune/loss": found["loss/total"],
            "finetune/grad_norm": found["opt/grad_norm"],
        }


def _lists(*tensors: Tensor) -> list[Any]:
    return [tensor.tolist() for tensor in tensors]
