"""The code behind each stage, as a fingerprint that the workflow compares: an edit reruns what it may change.

A stage is named by the modules that it starts from, also those that it imports by a name in the configuration
(engine, method, source, backend). Everything that they import counts, except what changes no result: see
`red.plumbing.sources`.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from red.evaluation.catalog import EMBEDDED, HELD_OUT
from red.plumbing import sources
from red.study import jobs
from red.training.spec import RunSpec

Config = Mapping[str, Any]
Modules = tuple[str, ...]

GRADING: Modules = ("red.evaluation.verdicts",)
JUDGE = "red.grading.reward"  # of rewards, which is handed to what needs verdicts
CORRUPTION: Modules = ("red.data.demonstrations", JUDGE)
DERIVED: Modules = ("red.models.surgery",)
ROTATION: Modules = ("red.probes.rotation", "red.probes.summary")
COLLECT: Modules = ("red.tables.collect",)
EXPORT: Modules = ("red.tables.export",)
MODEL_SOURCES = {"embedded": "red.world.pretraining", "hub": "red.models.prepare"}


@cache
def fingerprint(modules: Modules) -> str:
    """Hash of the files of `modules` and of what they import; comments and docstrings do not count."""
    return sources.fingerprint(*sources.sources(*modules))


def model(config: Config, name: str) -> Modules:
    """Rule `model`: the pretraining of an embedded model, or the preparation of a downloaded one."""
    return (MODEL_SOURCES[jobs.models(config)[name]["source"]],)


def prompts(config: Config) -> Modules:
    """Rule `prompts`: only the source that is configured."""
    return ("red.data.prompts", f"red.data.sources.{jobs.prompts_spec(config)['source']}")


def demonstrations(config: Config) -> Modules:
    """Rule `demonstrations`: only the source that is configured."""
    return ("red.data.demonstrations", JUDGE, f"red.data.sources.{config['data']['demonstrations']['source']}")


def wrong_responses(config: Config) -> Modules:
    """Rule `wrong_responses`: the search and the backend that samples."""
    return ("red.data.wrong_responses", JUDGE, f"red.sampling.{config['evaluation']['backend']}")


def redistilled(config: Config) -> Modules:
    """Rule `redistilled`: the answers, their verdicts and the backend that samples."""
    return ("red.data.redistilled", JUDGE, f"red.sampling.{config['evaluation']['backend']}")


def benchmark(config: Config, name: str) -> Modules:
    """Rule `benchmark`: the tiny world, the source of the training prompts, or the reader of files and of the hub."""
    source = jobs.benchmark_spec(config, name)["source"]
    if source == HELD_OUT:
        return prompts(config)
    return ("red.world.benchmarks" if source == EMBEDDED else "red.evaluation.benchmarks",)


def training(spec: RunSpec) -> Modules:
    """Rule `train`: engine, loop, objective and grading; of the methods only the run's own and what it imports."""
    return (f"red.engines.{spec.training.engine}", f"red.methods.{spec.method}")


def generation(config: Config) -> Modules:
    """Rule `generate`: backend and prompts. The grader only where no more than a letter of an answer may be kept."""
    protected = any(jobs.benchmark_spec(config, name)["protected"] for name in config["benchmarks"])
    kept: Modules = ("red.evaluation.protected",) if protected else ()
    return ("red.evaluation.generate", "red.sampling.spread", f"red.sampling.{config['evaluation']['backend']}", *kept)


def probe(config: Config) -> Modules:
    """Rule `probe`: the measurements, the backend that samples, and what reads models beside it."""
    backend = config["evaluation"]["backend"]
    reader = "red.probes.local" if backend == "local" else "red.probes.large"
    return ("red.probes.probe", "red.probes.summary", reader, JUDGE, f"red.sampling.{backend}")
