"""Checks of machine, cluster, packages and configuration, made before anything is submitted."""

import importlib.metadata
import math
import os
import re
import shutil
import socket
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from red.engines import engine
from red.evaluation.catalog import benchmark
from red.plumbing.provenance import ROOT
from red.study import cluster, jobs
from red.study.estimate import GIB, Estimate, estimate
from red.study.resources import STAGES, Request, Resources, is_sized, resources_of
from red.study.runs import run_spec

HUB = ("huggingface.co", 443)
SPARE_DISK = 1.2
FEW = 4  # trainings at the same time, where no cluster answers


@dataclass(frozen=True)
class Check:
    """One thing looked at. `warn`: it may work; `fail`: it will not."""

    name: str
    verdict: Literal["ok", "warn", "fail"]
    text: str


def checks(config: Mapping[str, Any], partition: str | None = None) -> Iterator[Check]:
    """All checks, in the order in which a user would mend things."""
    resources, forecast = resources_of(config), estimate(config)
    partitions, gpus = cluster.partitions(), cluster.gpus()
    yield _python()
    needed = needed_packages(config, bool(partitions))
    yield from packages(needed)
    yield from compiler(needed, _offloads(config))
    yield from accelerators(forecast, resources, partitions, gpus)
    lack = cluster.lacking()
    yield from [Check("Slurm", "fail", lack)] if lack else queue(resources, partitions, partition)
    yield disk(forecast, jobs.results(config), trainings_at_once(forecast, partitions))
    yield from windows(config, resources)
    yield from named_files(config)
    yield from downloads(config)


def needed_packages(config: Mapping[str, Any], on_cluster: bool) -> list[str]:
    """Distribution names of what this configuration imports."""
    names = ["snakemake", "torch", "numpy", "pandas", "pyarrow", "math-verify"]
    runs = [run_spec(config, run, seed) for run, seed in jobs.trained(config)]
    names += [name for run in runs for name in engine(run.training.engine).needs(run).packages]
    if config["evaluation"]["backend"] == "vllm":
        names.append("vllm")
    if _hub_names(config):
        names += ["transformers", "datasets"]
    if on_cluster:
        names.append("snakemake-executor-plugin-slurm")
    return list(dict.fromkeys(names))


def packages(names: list[str]) -> Iterator[Check]:
    """Whether each distribution is installed, and at the version that pyproject.toml pins."""
    pins = _pins(ROOT / "pyproject.toml")
    for name in names:
        version = _version(name) or _version(f"{name}-cpu")
        if version is None:
            yield Check(name, "fail", f"not installed; pinned: {pins.get(name, 'any version')}")
            continue
        pinned = pins.get(name)
        same = pinned is None or version.partition("+")[0] == pinned
        yield Check(name, "ok" if same else "warn", version if same else f"{version}, pinned: {pinned}")


def compiler(needed: list[str], offloads: bool) -> Iterator[Check]:
    """The CUDA compiler, for what is built on the spot: flash-attn while it is absent, DeepSpeed's offloaded Adam."""
    builds = ["flash-attn"] * ("flash-attn" in needed and _version("flash-attn") is None)
    builds += ["DeepSpeed's Adam (cluster.offload_optimizer)"] * offloads
    if not builds:
        return
    what, found, wanted = " and ".join(builds), cluster.cuda_of_compiler(), _cuda_of_torch()
    if found is None:
        yield Check("nvcc", "fail", f"not found (PATH, CUDA_HOME); needed to build {what}, of CUDA {wanted or '13.0'}")
        return
    same = wanted in (None, found)
    # DeepSpeed takes no other version, flash-attn any of the same generation.
    other: Literal["warn", "fail"] = "fail" if offloads else "warn"
    yield Check("nvcc", "ok" if same else other, f"CUDA {found}" + ("" if same else f"; torch is built for {wanted}"))


def accelerators(
    forecast: Estimate, resources: Resources, partitions: list[cluster.Partition], gpus: list[cluster.Gpu]
) -> Iterator[Check]:
    """Enough GPUs for one job, enough memory on each, and a driver new enough for torch."""
    per_job = forecast.gpus_per_node
    if per_job == 0:
        yield Check("GPUs", "ok", "none needed")
        return
    offered = max([len(gpus), *(partition.gpus for partition in partitions)])
    verdict: Literal["ok", "fail"] = "ok" if offered >= per_job else "fail"
    yield Check("GPUs", verdict, f"a job asks for {per_job}; a node here offers {offered}")
    peak = max(row.memory for row in forecast.rows)
    smallest = min((gpu.memory_mib * 2**20 for gpu in gpus), default=resources.hardware.memory_gib * GIB)
    whose = gpus[0].name if gpus else f"{resources.hardware.name}, as configured"
    fits: Literal["ok", "fail"] = "ok" if peak <= smallest else "fail"
    yield Check("GPU memory", fits, f"forecast peak {peak / GIB:.0f} GiB of {smallest / GIB:.0f} GiB ({whose})")
    if gpus:
        yield _driver(gpus[0])


def queue(resources: Resources, partitions: list[cluster.Partition], name: str | None = None) -> Iterator[Check]:
    """Requests of every stage against the limits of the partition, the default one unless named."""
    if not partitions:
        verdict: Literal["ok", "warn"] = "warn" if any(resources[stage].gpu for stage in STAGES) else "ok"
        yield Check("Slurm", verdict, "no controller answers; only local execution is possible")
        return
    found = [p for p in partitions if p.name == name] or [p for p in partitions if p.is_default]
    if not found or (name and found[0].name != name):
        known = ", ".join(p.name for p in partitions)
        yield Check("Slurm", "fail", f"no partition {name or '(no default)'}; known: {known}")
        return
    partition = found[0]
    for stage in STAGES:
        over = _over(resources[stage], resources.memory(stage, 1 + resources[stage].retries), partition)
        text = "; ".join(over) if over else f"fits partition {partition.name}"
        yield Check(f"Slurm: {stage}", "fail" if over else "ok", text)


def trainings_at_once(forecast: Estimate, partitions: list[cluster.Partition]) -> int:
    """As many as the GPUs of the cluster have room for; a few where nothing is known."""
    per_job = max((row.gpus for row in forecast.rows), default=0)
    gpus = max((partition.nodes * partition.gpus for partition in partitions), default=0)
    return min(forecast.trainings, max(gpus // per_job, 1) if gpus and per_job else FEW)


def disk(forecast: Estimate, results: Path, at_once: int) -> Check:
    """Room for everything that is kept, and for the resume states of the trainings that run at the same time."""
    folder = next(p for p in (results, *results.parents, Path(".")) if p.exists())
    free = shutil.disk_usage(folder).free
    needed = SPARE_DISK * forecast.total.disk + at_once * max(row.state for row in forecast.rows)
    verdict: Literal["ok", "fail"] = "ok" if free >= needed else "fail"
    return Check("disk", verdict, f"{needed / GIB:.1f} GiB needed, {free / GIB:.1f} GiB free at {folder}")


def windows(config: Mapping[str, Any], resources: Resources) -> Iterator[Check]:
    """Prompt plus response must fit the positions that the model knows."""
    window = config["model"].get("max_length") or (resources.shape.window if is_sized(config) else math.inf)
    limits = {}
    for run, seed in jobs.trained(config):
        training = run_spec(config, run, seed).training
        limits[run] = training.max_prompt_tokens + training.max_new_tokens
    run = max(limits, key=lambda name: limits[name])
    yield _fits("tokens in training", limits[run], f" ({run})", window)
    prompt = config["common"].get("max_prompt_tokens", 1024)
    longest = prompt + config["evaluation"]["max_new_tokens"]
    yield _fits("tokens in evaluation", longest, "", window)


def _fits(name: str, tokens: int, whose: str, window: float) -> Check:
    if window == math.inf:
        return Check(name, "warn", f"at most {tokens}{whose}; the model's window is not known: give its `shape`")
    verdict: Literal["ok", "fail"] = "ok" if tokens <= window else "fail"
    return Check(name, verdict, f"at most {tokens}{whose}, the model's window is {window}")


def named_files(config: Mapping[str, Any]) -> Iterator[Check]:
    """Somebody's own model and data, where the configuration says they lie."""
    models = {name: config.get(name) or {} for name in ("model", "large_model", "teacher_model")}
    places = {f"{name}.folder": Path(own["folder"]) for name, own in models.items() if own.get("folder")}
    data = {f"data.{name}": config["data"][name] for name in ("prompts", "demonstrations")}
    texts = {name: (own["data_dir"], own["file"]) for name, own in data.items() if own.get("data_dir")}
    known = (benchmark(name, entry) for name, entry in config["benchmarks"].items())
    texts |= {f"benchmarks.{one.name}": (one.data_dir, one.file) for one in known if one.data_dir and one.file}
    places |= {f"{name}.file": Path(*parts) for name, parts in texts.items()}
    absent = [f"{name} ({place})" for name, place in places.items() if not place.exists()]
    if absent:
        yield Check("files", "fail", f"not here: {', '.join(absent)}")
    elif places:
        yield Check("files", "ok", f"all {len(places)} that the configuration names are here")


def downloads(config: Mapping[str, Any]) -> Iterator[Check]:
    """Everything that comes from the hub: a local copy, or a way to get it."""
    names = _hub_names(config)
    absent = [name for name in names if not _is_cached(name)]
    if not names:
        yield Check("downloads", "ok", "none needed")
    elif not absent:
        yield Check("downloads", "ok", f"local copies of all {len(names)}")
    elif _reaches_hub():
        yield Check("downloads", "ok", f"the hub answers; to fetch: {', '.join(absent)}")
    else:
        yield Check("downloads", "fail", f"no hub and no local copy of {', '.join(absent)}")


def _python() -> Check:
    good = (3, 11) <= sys.version_info[:2] < (3, 13)
    return Check("Python", "ok" if good else "fail", f"{sys.version.split()[0]}; needed: 3.11 or 3.12")


def _pins(path: Path) -> dict[str, str]:
    """`name==version` lines of the project and its extras; empty for an installed copy."""
    if not path.is_file():
        return {}
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] + [
        line for extra in project.get("optional-dependencies", {}).values() for line in extra
    ]
    pairs = (line.partition(";")[0].partition("==") for line in lines)
    return {name.partition("[")[0].strip(): version.strip() for name, equal, version in pairs if equal}


def _offloads(config: Mapping[str, Any]) -> bool:
    runs = [run_spec(config, run, seed) for run, seed in jobs.trained(config)]
    return any(engine(run.training.engine).needs(run).reads_cluster and run.cluster.offload_optimizer for run in runs)


def _cuda_of_torch() -> str | None:
    try:
        import torch
    except ImportError:
        return None
    return torch.version.cuda


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _driver(gpu: cluster.Gpu) -> Check:
    import torch

    built, served = torch.version.cuda, cluster.cuda_of_driver()
    if built is None:
        return Check("driver", "fail", f"{gpu.driver}; this torch is built without CUDA")
    if served is None:
        return Check("driver", "warn", f"{gpu.driver}; nvidia-smi does not say for which CUDA")
    good = int(served.partition(".")[0]) >= int(built.partition(".")[0])
    text = f"{gpu.driver} for CUDA {served}, torch is built for {built}"
    return Check("driver", "ok" if good else "fail", text)


def _over(request: Request, memory: int, partition: cluster.Partition) -> list[str]:
    """What asks for more than the partition has; `memory` is that of the last attempt, in MB."""
    asked = {
        "GPUs": (request.gpu, partition.gpus),
        "cores": (request.threads, partition.cpus),
        "MB of memory in the last attempt": (memory, partition.memory_mb),
        "minutes": (request.runtime, partition.minutes),
    }
    return [
        f"{wanted} {what} asked, partition {partition.name} allows {limit}"
        for what, (wanted, limit) in asked.items()
        if limit is not None and wanted > limit
    ]


def _hub_names(config: Mapping[str, Any]) -> list[str]:
    """Ids of models and data sets that come from the hub."""
    entries = [*jobs.models(config).values(), *config["data"].values()]
    entries += [jobs.benchmark_spec(config, name) for name in config["benchmarks"]]
    names = []
    for entry in entries:
        if entry.get("source") == "embedded" or entry.get("data_dir") or entry.get("folder"):
            continue
        hub = entry.get("hub") or entry.get("id")
        name = hub.get("id") if isinstance(hub, Mapping) else hub
        if isinstance(name, str):
            names.append(name)
    return list(dict.fromkeys(names))


def _is_cached(name: str) -> bool:
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    folder = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    tail = re.sub("/", "--", name)
    return any((folder / f"{kind}--{tail}" / "snapshots").is_dir() for kind in ("models", "datasets"))


def _reaches_hub() -> bool:
    if os.environ.get("HF_HUB_OFFLINE") in ("1", "true", "yes"):
        return False
    try:
        with socket.create_connection(HUB, timeout=5):
            return True
    except OSError:
        return False
