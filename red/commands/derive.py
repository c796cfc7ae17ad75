"""`red derive`: a model made of others, without a training."""

import argparse
from pathlib import Path

HELP = "make a model of others: a snapshot, or one with the singular vectors or values of another model"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the workflow's rule `derive` passes."""
    parser.add_argument("--spec", required=True, help="what to make, JSON")
    parser.add_argument("--of", required=True, type=Path, help="model folder that is changed")
    parser.add_argument("--donor", type=Path, help="model folder of the vectors, the values, or the size of a change")
    parser.add_argument("--code", default="", help="fingerprint of the code, kept in the provenance")
    parser.add_argument("--out", required=True, type=Path, help="gets checkpoint/ and provenance.json")


def run(options: argparse.Namespace) -> int:
    """Make the folder, then write the provenance last: it marks the model as whole."""
    from red.models.surgery import Derivation, write_derived
    from red.plumbing.card import card
    from red.plumbing.checksums import input_hash, refuse_inputs, refuse_inside
    from red.plumbing.provenance import Start, write_provenance
    from red.plumbing.records import from_mapping, to_mapping
    from red.plumbing.storage import argument

    started = Start()
    spec = from_mapping(Derivation, argument(options.spec), "spec")
    folders = {name: folder for name in ("of", "donor") if (folder := getattr(options, name)) is not None}
    refuse_inputs(options.out, folders.values())
    refuse_inside(options.out, folders.values())
    inputs = {name: input_hash(folder) for name, folder in folders.items()}
    document = {"method": "derived", **to_mapping(spec)}
    text = card(document, options.code, spec.step, "")
    write_derived(spec, options.of, options.donor, text, options.out / "checkpoint")
    write_provenance(options.out / "provenance.json", document, options.code, inputs, started)
    return 0
