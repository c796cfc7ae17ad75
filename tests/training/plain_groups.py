"""What enters the steps of a training, once more: verdicts and rewards, groups, prefixes, what a method draws."""

import math
import random
from dataclasses import dataclass, replace

from red.seeds import derive
from tests.methods import plain_further
from tests.training import toy
from tests.training.variants import Variant

FORK = ("red_intended", "red_released")


@dataclass(frozen=True)
class Member:
    """A graded response; `group` numbers the prompts of a step, `problem` those of the world."""

    group: int
    problem: int
    prompt: list[int]
    response: list[int]
    is_demonstration: bool
    accuracy: float
    reward: float
    kept: bool = True
    prefix: int = 0


Group = tuple[int, list[Member]]


@dataclass
class PlainGroups:
    """`groups` makes those of the next step. `calls` are the script's."""

    variant: Variant
    calls: list[list[tuple[tuple[int, ...], list[list[int]]]]]

    def __post_init__(self) -> None:
        self.run = toy.run_spec(self.variant.method, self.variant.overrides, **self.variant.training)
        self.training = self.run.training
        self.words = toy.tokenizer()
        self.cursor, self.generated = 0, 0

    def encoded(self, text: str) -> list[int]:
        return self.words.encode(text, add_special_tokens=False).ids

    def next_problems(self) -> list[int]:
        """In the order of a fresh shuffle each epoch."""
        found = []
        for position in range(self.cursor, self.cursor + self.training.prompts_per_step):
            epoch, place = divmod(position, len(toy.PROBLEMS))
            order = list(range(len(toy.PROBLEMS)))
            random.Random(derive(self.run.seed, "order", epoch)).shuffle(order)
            found.append(order[place])
        self.cursor += len(found)
        return found

    def member(
        self,
        group: int,
        problem: int,
        response: list[int],
        revealed: tuple[int, ...] = (),
        is_demonstration: bool = False,
    ) -> Member:
        """Judged whole; a demonstration may be longer than the limit."""
        expression, answer, *_ = toy.PROBLEMS[problem]
        accuracy = float(f"\\boxed{{{answer}}}" in self.words.decode(response))
        reward, response = accuracy, response[: toy.LIMIT]
        if self.variant.method in ("dapo", *FORK):
            tail = round(toy.LIMIT * 2000 / 8192)
            reward += max(-1.0, min(0.0, (toy.LIMIT - tail - len(response)) / tail))
        prompt = self.encoded(f"Compute {expression}.\nA:") + list(revealed)
        return Member(group, problem, prompt, response, is_demonstration, accuracy, reward)

    def demonstration(self, group: int, problem: int) -> Member:
        return self.member(group, problem, self.taught(problem), is_demonstration=True)

    def pair(self, group: int, problem: int) -> Group:
        """Section 17.13; every third problem has no wrong trace."""
        text, members = toy.wrong_trace(problem), [self.demonstration(group, problem)]
        if text is not None:
            wrong = [*self.encoded(text), toy.EOS]
            members.append(self.member(group, problem, wrong, is_demonstration=True))
        return problem, members

    def taught(self, problem: int) -> list[int]:
        return [*self.encoded(toy.demonstration(problem)), toy.EOS]

    def sampled(self, group: int, problem: int, call: tuple[tuple[int, ...], list[list[int]]]) -> Group:
        """A group from the script's answer to one prompt, which must be this problem's."""
        prompt, responses = call
        bare = self.encoded(f"Compute {toy.PROBLEMS[problem][0]}.\nA:")
        assert list(prompt[: len(bare)]) == bare
        assert len(responses) == self.variant.rollouts
        self.generated += sum(map(len, responses))
        members = [self.member(group, problem, response, prompt[len(bare) :]) for response in responses]
        return problem, members + [self.demonstration(group, problem)] * self.variant.demonstrations

    def batch(self, first: int = 0) -> list[Group]:
        """The groups of the next prompts."""
        problems = self.next_problems()
        if not self.variant.rollouts:
            if self.variant.method == "redi":
                return [self.pair(group, problem) for group, problem in enumerate(problems)]
            return [(problem, [self.demonstration(group, problem)]) for group, problem in enumerate(problems)]
        calls = zip(problems, self.calls.pop(0), strict=True)
        return [self.sampled(group, problem, call) for group, (problem, call) in enumerate(calls, first)]

    def groups(self, step: int) -> list[Group]:
        if self.variant.method in ("dapo", "gpg"):
            return self.informative(6)[: self.training.prompts_per_step]
        if self.variant.method in FORK:
            return self.drawn(step)
        if self.variant.method == "uft":
            return self.behind_prefixes(step)
        if self.variant.method == "prefix_rft":
            return self.with_a_hybrid(step)
        if self.variant.method == "trapo":
            return self.in_micro_groups()
        groups = self.batch()
        if self.variant.method == "bread":
            return self.anchored(groups)
        if self.variant.method.startswith(("chord", "gac")):
            draw = random.Random(derive(self.run.seed, "expert", step))
            experts = draw.choices(range(len(toy.PROBLEMS)), k=self.training.prompts_per_step)
            groups += [(problem, [self.demonstration(100 + i, problem)]) for i, problem in enumerate(experts)]
        return groups

    def behind_prefixes(self, step: int) -> list[Group]:
        """Section 17.9."""
        problems, found = self.next_problems(), []
        for group, (problem, call) in enumerate(zip(problems, self.calls.pop(0), strict=True)):
            draw = random.Random(derive(self.run.seed, f"prefix of p{problem}", step))
            chance = plain_further.prefix_chance(step, self.variant.overrides["mix"]["prefix_steps"])
            chunks = sum(draw.random() < chance for _ in range(5))
            sentences = toy.demonstration(problem).split(". ")[:-1]
            shown = "".join(f"{sentence}. " for sentence in sentences[: round(chunks * len(sentences) / 5)])
            _, members = self.sampled(group, problem, call)
            assert members[0].prompt == self.encoded(f"Compute {toy.PROBLEMS[problem][0]}.\nA:{shown}")
            taught = [replace(self.demonstration(group, problem), response=self.encoded(shown))] if shown else []
            found.append((problem, members + taught))
        return found

    def with_a_hybrid(self, step: int) -> list[Group]:
        """Section 17.11."""
        mix, groups = self.variant.overrides["mix"], self.batch()
        for group, ((problem, members), call) in enumerate(zip(groups, self.calls.pop(0), strict=True)):
            draw = random.Random(derive(self.run.seed, f"prefix of p{problem}", step)).random()
            longest, shortest = mix["longest"], mix["shortest"]
            fallen = min(step / mix["decay"], 1.0)
            least = shortest + (longest - shortest) * (1 + math.cos(math.pi * fallen)) / 2
            members.append(self.hybrid(group, problem, least + (longest - least) * draw, call))
        return groups

    def in_micro_groups(self) -> list[Group]:
        """Section 17.12: two rollouts, and one more in each of two micro-groups."""
        groups = self.batch()
        for ratio, limit in ((0.5, 0.6), (1.0, 0.9)):
            failing = [sum(m.reward for m in members) / len(members) < limit for _, members in groups]
            calls = iter(self.calls.pop(0) if ratio < 1 or not all(failing) else [])
            for group, ((problem, members), helped) in enumerate(zip(groups, failing, strict=True)):
                if helped and ratio == 1:
                    members.append(self.demonstration(group, problem))
                else:
                    members.append(self.hybrid(group, problem, ratio if helped else 0.0, next(calls)))
        return groups

    def hybrid(self, group: int, problem: int, share: float, call: tuple[tuple[int, ...], list[list[int]]]) -> Member:
        """The share of the demonstration, then the script's one answer to it."""
        taught = self.taught(problem)[: toy.LIMIT]
        prefix = taught[: max(1, math.floor(share * len(taught)))] if share else []
        prompt, [response] = call
        member = self.member(group, problem, prefix + response)
        assert list(prompt) == member.prompt + prefix and len(prefix) < len(taught)
        self.generated += len(response)
        return replace(member, prefix=len(prefix))

    def informative(self, rounds: int) -> list[Group]:
        """Section 3.3."""
        kept: list[Group] = []
        for attempt in range(rounds):
            kept += [g for g in self.batch(100 * attempt) if len({m.accuracy for m in g[1]}) == 2]
            if len(kept) >= self.training.prompts_per_step:
                break
        return kept

    def drawn(self, step: int) -> list[Group]:
        """Section 12.10: a seventh round is whole; sequences are drawn, not groups; demonstrations lose their end."""
        groups = self.informative(6)
        if len(groups) < self.training.prompts_per_step:
            groups += self.batch(600)
        places = [(i, j) for i, (_, members) in enumerate(groups) for j in range(len(members))]
        draw = random.Random(derive(self.run.seed, "sequences", step))
        chosen = draw.sample(places, self.training.prompts_per_step * self.training.group_size)

        def entered(place: tuple[int, int], member: Member) -> Member:
            ends = member.is_demonstration and member.response[-1] == toy.EOS
            response = member.response[:-1] if ends else member.response
            return replace(member, response=response, kept=place in chosen)

        return [(p, [entered((i, j), m) for j, m in enumerate(members)]) for i, (p, members) in enumerate(groups)]

    def anchored(self, groups: list[Group]) -> list[Group]:
        """Section 8.4."""
        failed = [i for i, (_, members) in enumerate(groups) if not any(m.accuracy for m in members)]
        bounds = {i: (1, 9) for i in failed}
        probes: dict[int, dict[int, tuple[float, Group]]] = {i: {} for i in failed}
        while pending := [i for i in failed if bounds[i][0] <= bounds[i][1]]:
            for i, call in zip(pending, self.calls.pop(0), strict=True):
                problem, (low, high) = groups[i][0], bounds[i]
                k = (low + high) // 2
                full = f"Compute {toy.PROBLEMS[problem][0]}.\nA:" + toy.revealed(problem, k)
                assert list(call[0]) == self.encoded(full)
                probe = self.sampled(i, problem, call)
                rate = sum(m.accuracy for m in probe[1]) / len(probe[1])
                probes[i][k] = rate, probe
                bounds[i] = (low, k - 1) if rate >= 0.25 else (k + 1, high)
        found = []
        for i, group in enumerate(groups):
            if i in failed:
                mixed = {k: (rate, g) for k, (rate, g) in probes[i].items() if 0 < rate < 1}
                if not mixed:
                    continue
                best = min(mixed, key=lambda k: (max(0.25 - mixed[k][0], mixed[k][0] - 0.75, 0), k))  # noqa: B023
                group = mixed[best][1]
            found.append(group)
        return found
