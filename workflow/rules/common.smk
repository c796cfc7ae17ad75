# Shared by all rules: the checked configuration, what jobs ask for, and the files of tables and figures.
import os
import re

from snakemake.exceptions import WorkflowError

from analysis.listing import FRONT, check_items, listing
from red.errors import ConfigError
from red.plumbing.documents import read_yaml
from red.plumbing.provenance import ROOT
from red.plumbing.sources import fingerprint, sources
from red.plumbing.storage import dump_json, write_atomic
from red.study import cluster, code, derived, jobs, paths, runs
from red.study import config as configuration
from red.study import estimate as estimates
from red.study.resources import resources_of


wildcard_constraints:
    run="[a-z0-9_]+",
    seed=r"\d+",
    benchmark="[a-z0-9_]+",
    corruption="[a-z0-9_]+",
    model="[a-z0-9_]+",
    probe="[a-z0-9_]+",


def checked():
    """The resolved runs and what jobs ask for; leave with one line, before anything runs, if the configuration is wrong."""
    try:
        # Snakemake's own reader takes aliases and the last of repeated keys, and merges data of two sources.
        given = list(workflow.overwrite_configfiles)
        own = workflow.configfiles[len(given) :]
        documents = [read_yaml(Path(file)) for file in (*own, *given)]
        config.update(
            configuration.select(configuration.without_old_sources(config, documents))
        )
        resolved = configuration.check(config)
        jobs.check(config)
        check_items(config)
        return resolved, resources_of(config)
    except ConfigError as error:
        sys.exit(f"config: {error}")


LISTING = listing()
RUNS, REQUESTS = checked()
ITEMS = config["items"]
# In the environment, not in `params`: where metrics are shown while a run trains reruns nothing.
os.environ.update(RED_TRACKING=" ".join(config.get("tracking", [])))
# The paper's numbers: those of the current directory, or of the checkout when this is a module.
REPORTED = Path("config/reported.csv")
REPORTED = str(REPORTED if REPORTED.exists() else CHECKOUT / REPORTED)
# Where analysis lies, and where red does: another place once it is installed (`red init`).
ROOTS = (CHECKOUT, ROOT)
# Items of studies of their own, and the section of a configuration that makes it such a study.
ELSEWHERE = {"sweep": "sweep", "sensitivity": "sensitivity"}
ELSEWHERE |= {"forgetting": "derived", "rotation": "derived"}
TABLES = [f"{table}.parquet" for table in ("scores", "dynamics", "probes")]
TABLES += ["runs.json", "benchmarks.json"]


def memory(stage):
    """Megabytes of a stage, more at each further attempt."""
    return lambda wildcards, attempt: REQUESTS.memory(stage, attempt)


def run_spec(wildcards):
    """The run that a training job makes, also one that only the command line asks for; resources depend on it."""
    key = wildcards.run, int(wildcards.seed)
    return RUNS.get(key) or runs.run_spec(config, *key)


def is_on_one_node(wildcards):
    """Whether one machine is enough for a training."""
    return run_spec(wildcards).cluster.nodes == 1


def gpus_of_node(wildcards):
    """What a training occupies on each of its nodes."""
    spec = run_spec(wildcards)
    return -(-REQUESTS.gpus(spec) // spec.cluster.nodes)


def model_options(wildcards, input):
    """`--model NAME=FOLDER` for everything that a probe measures beside the checkpoint."""
    folders = {n: input[n] for n in jobs.probe_models(config, wildcards.probe)}
    if "parent" in folders:
        folders["parent"] = paths.start(config, wildcards.run, input.parent)
    pairs = [("--model", f"{name}={folder}") for name, folder in folders.items()]
    return [word for pair in pairs for word in pair]


def derived_options(wildcards, input):
    """`--of FOLDER --donor FOLDER` for a derived model."""
    folders = {name: input[name] for name in ("of", "donor") if name in input.keys()}
    models = paths.derivation(config, wildcards.run, folders)
    return [word for name, folder in models.items() for word in (f"--{name}", folder)]


def analysis_code(item):
    """Fingerprint of an item: its module, what that imports, the page templates, and how text gets into its files."""
    modules = sources(f"analysis.items.{item}", "analysis.__main__", roots=ROOTS)
    return fingerprint(*modules, "analysis/output/*.html", "red/escape.py", roots=ROOTS)


def report_code():
    """Fingerprint of the page of all items."""
    modules = sources("analysis.report", "analysis.report.__main__", roots=ROOTS)
    return fingerprint(*modules, "analysis/output/*.html", "red/escape.py", roots=ROOTS)


def tables_of(item):
    """The tables that an item reads: this study's, but of ELSEWHERE those that were made before."""
    stored = Path(config.get("pathvars", {}).get(item, "")) / "collected"
    is_before = item in ELSEWHERE and (stored / "runs.json").is_file()
    own = not is_before or config.get(ELSEWHERE[item])
    folder = "<results>/collected" if own else str(stored)
    return [f"{folder}/{table}" for table in TABLES]


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
    category = "Overview" if item in FRONT else category
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
    needed, here = estimate.gpus_per_node, len(cluster.gpus())
    if not workflow.non_local_exec and needed > here:
        raise WorkflowError(
            f"scale {config['scale']} asks for {needed} GPUs per job; jobs would run on this machine, which has "
            f"{here}: {cluster.lacking() or 'no --profile slurm was given, or no Slurm controller answers'}. "
            "For the tiny scale run: snakemake all --cores all"
        )
