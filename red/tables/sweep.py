"""The learning rates that were tried, and the one that the rule takes, from the collected tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import yaml

from red.escape import terminal
from red.statistics.choice import best_rate
from red.tables.reader import Run, Tables

VALIDATION = "validation"  # the group of benchmarks on which rates are chosen; it enters no table


@dataclass(frozen=True)
class Choice:
    """The rates of one run. `accuracies` on the validation questions: rate to one share per seed, None where missing.

    `candidates`: the runs that tried them, by rate. `chosen` is None where no rate is complete. `stale` says of a run
    that starts from another that this one had another rate than the chosen one.
    """

    run: str
    label: str
    candidates: Mapping[float, Run]
    accuracies: Mapping[float, Sequence[float | None]]
    chosen: float | None
    stale: str = ""

    @property
    def at_edge(self) -> bool:
        """Whether the smallest or the largest rate was chosen: a better one may lie outside."""
        return self.chosen in (min(self.candidates), max(self.candidates))


def choices(tables: Tables) -> list[Choice]:
    """One per run whose rates were tried, in the order of the configuration."""
    tried: dict[str, dict[float, Run]] = {}
    for run in tables.runs:
        if run.rate_of and run.rate is not None:
            tried.setdefault(run.rate_of, {})[run.rate] = run
    accuracy = _accuracies(tables, [run for candidates in tried.values() for run in candidates.values()])
    found = [_choice(name, dict(sorted(candidates.items())), accuracy) for name, candidates in tried.items()]
    chosen = {choice.run: choice.chosen for choice in found}
    rates = {run.name: run.rate for run in tables.runs}
    return [_with_parent(choice, chosen, rates) for choice in found]


def fragment(found: Sequence[Choice]) -> str:
    """YAML with the chosen rates, perhaps none, to be an overlay or a part of a configuration; comments say why."""
    rates, comments = {}, []
    for choice in found:
        if choice.stale:
            comments.append(f"# {choice.run}: {choice.stale}")
        elif choice.chosen is None:
            comments.append(f"# {choice.run}: no rate has an accuracy of every seed")
        else:
            rates[choice.run] = choice.chosen
            comments += [f"# {choice.run}: at the edge of the grid"] if choice.at_edge else []
    return "".join(f"{terminal(line)}\n" for line in comments) + yaml.safe_dump({"rates": rates}, sort_keys=False)


def _accuracies(tables: Tables, runs: Sequence[Run]) -> dict[tuple[str, int], float]:
    """Mean over the problems of the mean over samples, of each (run, seed) that answered all problems."""
    scores = tables.scores(runs, tables.group(VALIDATION))
    problems = len(scores[["benchmark", "problem"]].drop_duplicates())
    groups = scores.groupby(["run", "seed"])["accuracy"]
    return {key: float(values.mean()) for key, values in groups if len(values) == problems}


def _choice(name: str, candidates: Mapping[float, Run], accuracy: Mapping[tuple[str, int], float]) -> Choice:
    seeds = sorted({seed for run in candidates.values() for seed in (*run.seeds, *run.missing_seeds)})
    accuracies = {rate: [accuracy.get((run.name, seed)) for seed in seeds] for rate, run in candidates.items()}
    first = next(iter(candidates.items()))
    label = first[1].label.removesuffix(f" at {first[0]:g}")
    return Choice(name, label, candidates, accuracies, best_rate(accuracies))


def _with_parent(choice: Choice, chosen: Mapping[str, float | None], rates: Mapping[str, float | None]) -> Choice:
    """With a word of the parent, where its rate is not the one that was chosen for it."""
    parent, _ = next(iter(choice.candidates.values())).parent or ("", None)
    if parent not in chosen or rates.get(parent) == chosen[parent]:
        return choice
    wanted = "none" if chosen[parent] is None else f"{chosen[parent]:g}"
    stale = f"starts from {parent} at {rates.get(parent, 0):g}, but {wanted} was chosen: take it, then sweep again"
    return replace(choice, stale=stale)
