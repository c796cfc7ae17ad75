"""The README.md of a trained checkpoint: what it is, how it was made, what it is not good for."""

from collections.abc import Mapping
from typing import Any

from red.escape import markdown
from red.plumbing.provenance import commit, spec_hash
from red.plumbing.storage import readable_json

SYNTHETIC = (
    "A model of about 140 thousand parameters with a vocabulary of arithmetic, trained on synthetic "
    "problems. It reproduces how the methods behave in a small world and is of no use for anything else."
)
REAL = (
    "Trained for mathematics with verifiable answers. Not tuned for dialogue or safety; measured only on the "
    "benchmarks of this study."
)


def card(spec: Mapping[str, Any], code: str, steps: int, stopped: str) -> str:
    """Markdown with the header that model hubs read. `spec` is the resolved run; no times inside, so that
    equal trainings have equal cards."""
    revision = commit()
    tiny = spec.get("scale") == "tiny"
    rows = {
        "run": spec["run"],
        "method": spec["method"],
        "seed": spec["seed"],
        "scale": spec.get("scale", ""),
        "started from": spec.get("of") or spec.get("init_from") or "base",
        "demonstrations": spec.get("corruption", ""),
        "steps": f"{steps}, stopped early: {stopped}" if stopped else steps,
        "spec": spec_hash(spec),
        "code": code or "not recorded",
        "commit": revision.get("commit", "unknown") + (" with changes" if revision.get("dirty") else ""),
    }
    lines = ["---", "library_name: transformers", "pipeline_tag: text-generation"]
    lines += ["tags:", "- recall-extend-dynamics", f"- {spec['method']}", "---", ""]
    lines += [f"# {markdown(spec['run'])}, seed {spec['seed']}", "", SYNTHETIC if tiny else REAL, ""]
    lines += ["| | |", "|---|---|"]
    lines += [f"| {name} | {markdown(str(value))} |" for name, value in rows.items()]
    lines += ["", "Inputs with their hashes, package versions, time and cost: `provenance.json` of the run."]
    lines += ["", "## Spec", "", "```json", readable_json(spec).rstrip(), "```"]
    return "\n".join(lines) + "\n"
