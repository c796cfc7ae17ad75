"""Cost of one RED training of the paper scale against model size, response length, group size and nodes: forecasts.

python -m bench.growth      prints the table that bench/README.md has
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from bench.compare import REPOSITORY
from red.study import config, estimate
from red.study.resources import Resources, resources_of
from red.study.runs import run_spec
from red.training.spec import RunSpec

HEADING = "| one RED training | GPU-hours | hours | GPUs | memory/GPU, GiB | tokens sampled, M | tokens trained, M |"


@dataclass(frozen=True)
class Setting:
    """What a line of the table trains, and what the forecast knows of it."""

    name: str
    spec: RunSpec
    resources: Resources

    def line(self) -> str:
        """Of the table."""
        cost, gpus = estimate.training_cost(self.spec, self.resources), self.resources.gpus(self.spec)
        memory = estimate.memory(self.spec, self.resources) / estimate.GIB
        return (
            f"| {self.name} | {cost.hours:.0f} | {cost.hours / gpus:.1f} | {gpus} | {memory:.0f} "
            f"| {cost.sampled / 1e6:,.0f} | {cost.trained / 1e6:,.0f} |"
        )


def settings() -> Iterator[Setting]:
    """The configured training, then one thing at a time."""
    files = (REPOSITORY / "config" / name for name in ("default.yaml", "paper.yaml"))
    document = config.load(*files)
    spec, resources = run_spec(document, "red", 0), resources_of(document)
    yield Setting("as configured: 1.5B, 8 of 8,192 tokens, one node", spec, resources)

    def with_training(name: str, rollout: float, **changes: Any) -> Setting:
        changed = replace(resources, lengths=replace(resources.lengths, rollout=rollout))
        return Setting(name, replace(spec, training=replace(spec.training, **changes)), changed)

    rollout = resources.lengths.rollout

    for billions in (0.5, 3.1, 7.6):
        shape = replace(resources.shape, parameters=1e9 * billions)
        # Above some size the two take turns on the memory.
        sleeping = replace(spec, cluster=replace(spec.cluster, sleep=billions > 7))
        yield Setting(f"{billions:g}B parameters", sleeping, replace(resources, shape=shape))
    for factor in (0.5, 2):
        mean, most = factor * rollout, int(factor * spec.training.max_new_tokens)
        yield with_training(f"responses of {most:,} tokens at most, mean {mean:,.0f}", mean, max_new_tokens=most)
    for size in (16, 32):
        yield with_training(f"groups of {size}", rollout, group_size=size)
    for nodes in (2, 4):
        cluster = replace(spec.cluster, nodes=nodes, rollout_engines=nodes * spec.cluster.rollout_engines)
        yield Setting(f"{nodes} nodes", replace(spec, cluster=cluster), resources)


def table() -> list[str]:
    """Markdown."""
    return [HEADING, "|---|--:|--:|--:|--:|--:|--:|", *(setting.line() for setting in settings())]


if __name__ == "__main__":
    print(*table(), sep="\n")
