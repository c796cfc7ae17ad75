"""Teacher-forced measurements on fixed training prompts, in long form, one row per number."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch.nn.functional import pad

from red.data.problems import Judge, Limits, load_problems
from red.errors import ConfigError, DataError
from red.methods.base import Problem
from red.models.folder import check_window, load_codec, read_tokenizer
from red.objective.aggregate import sequence_mean
from red.plumbing.item_log import ItemLog
from red.plumbing.progress import GenerationProgress
from red.probes.reader import Draw, Measured, Reader
from red.probes.row import OF_TOKENS, Row
from red.ranges import Length, Natural, Rows, Samples
from red.seeds import derive
from red.text.equations import holds_equation
from red.text.thinking_words import PATTERN
from red.text.tokens import decoded

KEY = ("model", "kind", "id", "index")  # of an item in the log


@dataclass(frozen=True)
class Probe:
    """What to measure. `prompts` and `samples` (rollouts per prompt) are counts; `step` is the trained model's step.

    `backend` is that of the evaluation: `local`, or one that serves large models.
    """

    probe: Literal["entropy", "confidence", "tokens"]
    prompts: Rows
    samples: Samples
    template: str
    max_prompt_tokens: Length
    max_new_tokens: Length
    step: Natural = 0
    seed: Natural = 0
    backend: Literal["local", "vllm"] = "local"

    def __post_init__(self) -> None:
        if self.probe == "tokens" and self.samples != 1:
            raise ConfigError(f"samples: {self.samples} rollouts per prompt; the token page shows 1")


@dataclass(frozen=True)
class Sequence:
    """A text that models read: rollout `index` of a problem, or its demonstration."""

    problem: Problem
    index: int
    response: tuple[int, ...]


def measure(
    probe: Probe,
    trained: Path,
    others: Mapping[str, Path],
    prompts: Path,
    demonstrations: Path,
    judge: Judge,
    reader: Reader,
    log: ItemLog,
) -> Iterator[Row]:
    """Rows of one probe. The prompts depend on the probe's seed only: all runs see the same ones.

    Finished items are in `log` (its key is KEY) and not computed again.
    """
    codec = load_codec(trained)
    loaded = load_problems(
        prompts,
        demonstrations,
        codec,
        probe.template,
        Limits(probe.max_prompt_tokens, probe.max_new_tokens),
        judge,
        need_demonstrations=True,
    )
    if len(loaded.problems) < probe.prompts:
        raise DataError(
            f"{prompts}: {len(loaded.problems)} usable problems; the probe asks for {probe.prompts} prompts"
        )
    problems = random.Random(derive(probe.seed, "probe")).sample(loaded.problems, probe.prompts)
    bench = _Bench(probe, codec.tokenizer, judge, loaded.thought_open, problems, reader, log)
    bench.check_vocabulary(others.values())
    bench.check_windows([trained, *others.values()])
    match probe.probe:
        case "entropy":
            yield from bench.entropies([(0, "parent", others["parent"]), (probe.step, "trained", trained)])
        case "confidence":
            yield from bench.confidence({"small": trained, **others})
        case "tokens":
            yield from bench.tokens({"trained": trained, **others})


@dataclass(frozen=True)
class _Bench:
    probe: Probe
    tokenizer: Any
    judge: Judge
    thought_open: bool
    problems: Seq[Problem]
    reader: Reader
    log: ItemLog

    def check_vocabulary(self, folders: Iterable[Path]) -> None:
        """DataError if a model has another word for a token of the texts: its probabilities would mean nothing."""
        tokens = {token for p in self.problems for token in (*p.prompt, *p.demonstration)}
        for folder in folders:
            other = read_tokenizer(folder)
            for token in sorted(tokens):
                ours, theirs = self.tokenizer.id_to_token(token), other.id_to_token(token)
                if ours != theirs:
                    raise DataError(
                        f"{folder}: token {token} is {theirs!r} there and {ours!r} in the trained model; "
                        "a probe compares models of one vocabulary"
                    )

    def check_windows(self, folders: Iterable[Path]) -> None:
        """DataError if a model cannot read the longest prompt with its response."""
        longest = max(self.problems, key=lambda problem: len(problem.prompt))
        for folder in folders:
            new = self.probe.max_new_tokens
            check_window(folder, f"prompt {longest.id}", len(longest.prompt), new, "max_new_tokens")

    def entropies(self, models: Seq[tuple[int, str, Path]]) -> Iterator[Row]:
        """Entropy of (step, name, model) on fresh rollouts and on demonstrations, nats, per prompt (Table 1), and
        the share of the rollouts that hold a thinking word."""
        rollouts = {name: self._rollouts(name, folder) for _, name, folder in models}
        for step, name, folder in models:
            for kind, sequences in (("rollout", rollouts[name]), ("demonstration", self._demonstrations())):
                longest = max(len(sequence.response) for sequence in sequences)
                means = self._measured(name, folder, kind, sequences, partial(_mean_entropy, longest))
                yield from self._means(step, f"entropy_{kind}", sequences, means)
            yield from self._means(step, "thinking_rollout", rollouts[name], self._thinking(rollouts[name]))

    def confidence(self, models: Mapping[str, Path]) -> Iterator[Row]:
        """Each model's probability of every demonstration token and the small model's group accuracy (Figures 5 and 6);
        of its rollouts also number, length (tokens) and the share that hold an equation, of each demonstration whether
        it holds a thinking word (Premises)."""
        rollouts = self._rollouts("small", models["small"])
        texts = self._texts(rollouts)
        yield from self._means(0, "group_accuracy", rollouts, self._verdicts(rollouts))
        yield from self._means(0, "group_size", rollouts, [self.probe.samples] * len(rollouts))
        yield from self._means(0, "length_rollout", rollouts, [len(rollout.response) for rollout in rollouts])
        yield from self._means(0, "equation_rollout", rollouts, [holds_equation(text) for text in texts])
        demonstrations = self._demonstrations()
        yield from self._means(0, "thinking_demonstration", demonstrations, self._thinking(demonstrations))
        yield from self._probabilities(models, "demonstration", demonstrations)

    def tokens(self, models: Mapping[str, Path]) -> Iterator[Row]:
        """Each model's probability of every token of the trained model's own responses (Figure 7); of each problem its
        prompt (value: tokens), and its gold answer with the verdict on the response."""
        rollouts = self._rollouts("trained", models["trained"])
        for rollout, right in zip(rollouts, self._verdicts(rollouts), strict=True):
            problem, step = rollout.problem, self.probe.step
            prompt = decoded(self.tokenizer, problem.prompt, skip_special_tokens=True)
            yield self._row(step, problem, None, prompt, "prompt", len(problem.prompt))
            yield self._row(step, problem, None, problem.answer, "verdict", right)
        yield from self._probabilities(models, "rollout", rollouts)

    def _demonstrations(self) -> list[Sequence]:
        return [Sequence(problem, 0, problem.demonstration) for problem in self.problems]

    def _rollouts(self, name: str, folder: Path) -> list[Sequence]:
        """`samples` of each problem, in order."""
        probe = self.probe
        pairs = [(problem, index) for problem in self.problems for index in range(probe.samples)]
        keys = [(name, "sampled", problem.id, index) for problem, index in pairs]
        wanted = [pair for pair, key in zip(pairs, keys, strict=True) if key not in self.log.rows]
        draw = Draw(probe.samples, probe.max_new_tokens, derive(probe.seed, "probe", "rollout"))
        with GenerationProgress(f"{name}: rollouts", len(pairs), len(pairs) - len(wanted)) as progress:
            found = self.reader.rollouts(folder, wanted, self.problems, draw) if wanted else ()
            for problem, index, response in found:
                self._add((name, "sampled", problem.id, index), tokens=list(response.tokens))
                progress.advance(len(response.tokens))
        tokens = [tuple(self.log.rows[key]["tokens"]) for key in keys]
        return [Sequence(problem, index, own) for (problem, index), own in zip(pairs, tokens, strict=True)]

    def _measured(
        self, name: str, folder: Path, kind: str, sequences: Seq[Sequence], value: Callable[[Measured], Any]
    ) -> list[Any]:
        """What `value` makes of a model's pass over each sequence."""
        keys = [(name, kind, sequence.problem.id, sequence.index) for sequence in sequences]
        wanted = {number for number, key in enumerate(keys) if key not in self.log.rows}
        pairs = [(sequence.problem.prompt, sequence.response) for sequence in sequences]
        with GenerationProgress(f"{name}: {kind}s", len(pairs), len(pairs) - len(wanted)) as progress:
            for measured in self.reader.measure(folder, pairs, wanted) if wanted else ():
                self._add(keys[measured.pair], value=value(measured))
                progress.advance(len(measured.logp))
        return [self.log.rows[key]["value"] for key in keys]

    def _add(self, key: tuple[str, str, str, int], **found: Any) -> None:
        self.log.add({**dict(zip(KEY, key, strict=True)), **found})

    def _texts(self, sequences: Seq[Sequence]) -> list[str]:
        return [decoded(self.tokenizer, sequence.response, skip_special_tokens=True) for sequence in sequences]

    def _verdicts(self, sequences: Seq[Sequence]) -> list[float]:
        golds = [sequence.problem.answer for sequence in sequences]
        pairs = zip(self._texts(sequences), golds, strict=True)
        return list(self.judge((text, gold, self.thought_open) for text, gold in pairs))

    def _thinking(self, sequences: Seq[Sequence]) -> list[bool]:
        return [PATTERN.search(text) is not None for text in self._texts(sequences)]

    def _means(self, step: int, quantity: str, sequences: Seq[Sequence], values: Seq[float]) -> Iterator[Row]:
        """A row per problem: the mean over its sequences."""
        of_problem: dict[str, list[float]] = {}
        for sequence, value in zip(sequences, values, strict=True):
            of_problem.setdefault(sequence.problem.id, []).append(value)
        for problem in self.problems:
            own = of_problem[problem.id]
            yield self._row(step, problem, None, None, quantity, sum(own) / len(own))

    def _probabilities(self, models: Mapping[str, Path], kind: str, sequences: Seq[Sequence]) -> Iterator[Row]:
        for name, folder in models.items():
            probabilities = self._measured(name, folder, kind, sequences, lambda measured: measured.logp.exp().tolist())
            for sequence, values in zip(sequences, probabilities, strict=True):
                for position, token in enumerate(sequence.response):
                    text = decoded(self.tokenizer, [token], skip_special_tokens=False)
                    yield self._row(
                        self.probe.step, sequence.problem, position, text, OF_TOKENS + name, values[position]
                    )

    def _row(
        self, step: int, problem: Problem, position: int | None, token: str | None, quantity: str, value: float
    ) -> Row:
        return Row(self.probe.probe, step, problem.id, position, token, quantity, value)


def _mean_entropy(longest: int, measured: Measured) -> float:
    """Of one row of a batch that is `longest` tokens wide: what is summed has the same order in every batch."""
    values = measured.entropy
    row = pad(values, (0, longest - len(values)))[None]
    mask = (torch.arange(longest) < len(values)).to(row.dtype)[None]
    return sequence_mean(row, mask).item()
