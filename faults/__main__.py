"""`python -m faults`: try every fault, print the table, write results.json and README.md."""

import argparse
import sys

import torch

from faults import campaign


def main() -> int:
    """Exit status 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--classes", nargs="+", choices=campaign.CLASSES, default=campaign.CLASSES)
    parser.add_argument("--only", default="", help="cases whose name contains this; nothing is written")
    parser.add_argument("--load", action="store_true", help="time and memory under load instead (an hour)")
    parser.add_argument("--seed", type=int, default=campaign.SEED)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.load:
        from faults.load import measure

        document = campaign.keep_load(measure())
        print(campaign.page(document))
        return 0
    wanted = [case for case in campaign.cases(options.classes, options.seed) if options.only in case.name]
    outcomes = campaign.run(wanted)
    if options.only or tuple(options.classes) != campaign.CLASSES:
        document = {"classes": campaign.totals(outcomes)}
    else:
        document = campaign.save(outcomes, options.seed)
        campaign.publish(document)
    print(campaign.table(document))
    return int(any(one.result == "lost" for one in outcomes))


if __name__ == "__main__":
    sys.exit(main())
