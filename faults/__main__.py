"""`python -m faults`: try every fault, print the table, write results.json and README.md."""

import argparse
import sys
from typing import Any

import torch

from faults import campaign
from faults.case import Outcome


def main() -> int:
    """Exit status 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--classes", nargs="+", choices=campaign.CLASSES, default=campaign.CLASSES)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--load", action="store_true", help="time and memory under load instead (an hour)")
    parser.add_argument("--seed", type=int, default=campaign.SEED)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.load:
        from faults.load import measure

        for figure in measure(options.only):
            print(figure, file=sys.stderr, flush=True)
            campaign.keep_load(figure)
        return 0
    every = campaign.names(campaign.cases(seed=options.seed))
    wanted = [case for case in campaign.cases(options.classes, options.seed) if options.only in case.name]
    outcomes: list[Outcome] = []
    document: dict[str, Any] = {"classes": {}}
    for found in campaign.run(wanted):
        outcomes.append(found)
        # After each case: an interrupted campaign keeps what it has tried.
        document = campaign.save(outcomes, options.seed, every)
        campaign.publish(document)
    print(campaign.table(document))
    return int(any(one.result == "lost" for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
