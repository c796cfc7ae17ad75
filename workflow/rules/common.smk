# Shared by all rules: the checked configuration, fingerprints, and functions that name inputs.
import os
import re
from functools import cache

from snakemake.exceptions import WorkflowError

from analysis.listing import listing
from red.study import config as configuration
from red.study import cluster
from red.study import estimate as estimates
from red.study import jobs, runs
from red.errors import ConfigError
from red.plumbing.documents import read_yaml
from red.plumbing.provenance import fingerprint
from red.study.resources import resources_of
from red.plumbing.sources import sources
from red.plumbing.storage import dump_json


wildcard_constraints:
    run="[a-z0-9_]+",
    seed=r"\d+",
    benchmark="[a-z0-9_]+",
    corruption="[a-z0-9_]+",
    model="[a-z0-9_]+",
    probe="[a-z0-9_]+",


def checked():
    """Leave with one line, before anything runs, if the configuration is wrong."""
    try:
        for file in workflow.configfiles:
            # Snakemake's own reader takes aliases and the last of repeated keys.
            read_yaml(Path(file))
        config.update(configuration.select(config))
        configuration.check(config)
        jobs.check(config)
        unknown = [item for item in config["items"] if item not in LISTING]
        if unknown:
            known = ", ".join(LISTING)
            raise ConfigError(f"items: {unknown[0]!r} is unknown; one of {known}")
        return resources_of(config)
    except ConfigError as error:
        sys.exit(f"config: {error}")


LISTING = listing()
REQUESTS = checked()
ITEMS = config["items"]
# In the environment, not in `params`: where metrics are shown while a run trains reruns nothing.
os.environ.update(RED_TRACKING=" ".join(config.get("tracking", [])))
# The paper's numbers: those of the current directory, or of the checkout when this is a module.
REPORTED = Path("config/reported.csv")
REPORTED = str(REPORTED if REPORTED.exists() else CHECKOUT / REPORTED)
TABLES = [f"{table}.parquet" for table in ("scores", "dynamics", "probes")]
TABLES += ["runs.json", "benchmarks.json"]


@cache
def code(*modules):
    """Fingerprint of modules and what they import: a changed one reruns the jobs that used it."""
    return fingerprint(*sources(*modules))


@cache
def run_spec(run, seed=0):
    """The resolved run, as `red train` gets it."""
    return jobs.training_spec(config, run, int(seed))


def training_code(wildcards):
    """Engine, loop, objective and grading; of the methods only the run's own and what it imports."""
    spec = run_spec(wildcards.run)
    engine, method = spec["training"]["engine"], spec["method"]
    return code(f"red.engines.{engine}", f"red.methods.{method}")


def answering_code():
    """Answers do not depend on how they are judged, except where only a letter of them may be kept."""
    specs = [jobs.benchmark_spec(config, name) for name in config["benchmarks"]]
    keeping = ["red.evaluation.protected"] if any(spec["protected"] for spec in specs) else []
    backend = config["evaluation"]["backend"]
    return code("red.evaluation.generate", f"red.sampling.{backend}", *keeping)


def model_code(model):
    """Of what makes a model folder: a pretraining, or the preparation of a downloaded one."""
    makers = {"embedded": "red.world.pretraining", "hub": "red.models.prepare"}
    return code(makers[jobs.models(config)[model]["source"]])


def training_spec(wildcards):
    """The resolved run as JSON."""
    return dump_json(run_spec(wildcards.run, wildcards.seed))


def folder_of(run, seed, kind="checkpoint"):
    """Where a run's checkpoint or snapshots lie; the base model is the run without training."""
    if run == jobs.BASE:
        return "<results>/models/base"
    return f"<results>/runs/{run}/seed{seed}/{kind}"


def checkpoint(wildcards):
    """What is evaluated or probed."""
    return folder_of(wildcards.run, wildcards.seed)


def parent(wildcards):
    """What a run starts from: the base model, a run's checkpoint, or the folder of its snapshots."""
    run, step = next(jobs.parents(config, wildcards.run), (jobs.BASE, None))
    return folder_of(run, wildcards.seed, "checkpoint" if step is None else "snapshots")


def start(wildcards, input):
    """The model folder inside that input."""
    _, step = next(jobs.parents(config, wildcards.run), (jobs.BASE, None))
    return input.parent if step is None else f"{input.parent}/step{step}"


def demonstrations(wildcards):
    """What a run learns from, clean or corrupted."""
    name = jobs.corruption(config, wildcards.run)
    return f"<results>/data/demonstrations/{name}.jsonl"


def w_log(wildcards):
    """For a control of w: the metrics of the run whose w it reads."""
    source = runs.w_source(config, wildcards.run)
    return {"w_log": metrics_of(source, wildcards.seed)} if source else {}


def w_log_option(wildcards, input):
    """The same for the command line."""
    return f"--w-log {input.w_log}" if "w_log" in input.keys() else ""


def probed_models(wildcards):
    """The models that a probe measures beside the checkpoint, by the names that `red probe` knows."""
    known = {"large": "<results>/models/large", "base": folder_of(jobs.BASE, 0)}
    if "sft" in config["runs"]:
        seeds = map(str, runs.run_seeds(config, "sft"))
        known["sft"] = folder_of("sft", min(seeds, key=wildcards.seed.__ne__))
    if wildcards.run != jobs.BASE:
        known["parent"] = parent(wildcards)
    return {name: known[name] for name in jobs.probe_models(config, wildcards.probe)}


def model_options(wildcards, input):
    """The same for the command line; the parent may be a snapshot."""
    folders = {n: input[n] for n in jobs.probe_models(config, wildcards.probe)}
    if "parent" in folders:
        folders["parent"] = start(wildcards, input)
    return " ".join(f"--model {name}={folder}" for name, folder in folders.items())


def collected_files():
    """Everything that the three tables are made from."""
    files = [
        f"<results>/evaluations/{run}/seed{seed}/{benchmark}.grades.jsonl"
        for run, seed in jobs.evaluated(config)
        for benchmark in config["benchmarks"]
    ]
    files += [metrics_of(run, seed) for run, seed in jobs.trained(config)]
    files += [
        f"<results>/probes/{run}/seed{seed}/{probe}.parquet"
        for run, seed, probe in jobs.probed(config)
    ]
    return files


def metrics_of(run, seed):
    """One line per training step."""
    return f"<results>/runs/{run}/seed{seed}/metrics.jsonl"


def memory(stage):
    """Megabytes of a stage, more at each further attempt."""
    return lambda wildcards, attempt: REQUESTS.memory(stage, attempt)


def training_gpus(wildcards):
    """GPUs of a run, over all its nodes."""
    return REQUESTS.gpus(runs.run_spec(config, wildcards.run, 0))


def training_nodes(wildcards):
    """Nodes of a run."""
    return runs.run_spec(config, wildcards.run, 0).cluster.nodes


def training_minutes(wildcards, attempt):
    """Minutes to ask for; at most what one attempt may take."""
    spec = runs.run_spec(config, wildcards.run, int(wildcards.seed))
    return estimates.training_minutes(spec, REQUESTS, attempt)


def analysis_code(item):
    """Fingerprint of an item: its module, what that imports, and the page templates."""
    modules = sources(f"analysis.items.{item}", "analysis.__main__")
    return fingerprint(*modules, "analysis/output/*.html")


def item_files(item):
    """All files of a table or figure."""
    folder, endings = {
        "table": ("tables", ["html", "csv", "tex", "md", "json"]),
        "figure": ("figures", ["html", "svg", "pdf", "png", "csv", "json"]),
    }[LISTING[item].kind]
    return [f"<results>/{folder}/{item}.{ending}" for ending in endings]


def reported(item, path):
    """The page of an item has its place in the report; it holds the item's other files."""
    if not path.endswith(".html"):
        return path
    about = LISTING[item]
    category = f"{about.kind.title()}s" if about.is_of_the_paper else "Diagnostics"
    category = "Overview" if item == "overview" else category
    # The report sorts by letters, so a number of one digit is padded.
    heading = re.sub(r"^(\w+) (\d):", "\\1 \u2007\\2:", about.heading)
    seeds = ", ".join(map(str, config["seeds"]))
    labels = {"item": heading, "seeds": seeds, "scale": config["scale"]}
    caption = CHECKOUT / "workflow" / "report" / "item.rst"
    return report(path, caption=str(caption), category=category, labels=labels)


def announce():
    """What is about to run, and a clear stop where it cannot."""
    from red.commands.estimate import headline

    estimate = estimates.estimate(config)
    print(headline(estimate), file=sys.stderr)
    print(cluster.describe(), file=sys.stderr)
    needed = estimate.gpus_per_node
    if not workflow.non_local_exec and needed > len(cluster.gpus()):
        raise WorkflowError(
            f"scale {config['scale']} asks for {needed} GPUs per job, and neither a Slurm controller "
            f"answers here nor does this machine have them. For the tiny scale run: "
            "snakemake all --cores all"
        )
