"""Table 3: accuracy on multiple-choice benchmarks outside mathematics."""

from analysis.account import OUT_OF_DOMAIN
from analysis.accuracy_table import accuracy_table
from analysis.item import Table
from red.tables.reader import Tables


def build(tables: Tables) -> Table:
    """ARC-C, GPQA-D and MMLU-Pro, pass@1, and their unweighted mean."""
    at_tiny = "At tiny scale the answer is the value of the right option, not its letter."
    return accuracy_table(
        tables,
        "out_of_domain",
        "Out-of-domain accuracy",
        "Accuracy in percent, pass@1, options shuffled with a stored seed. Avg: unweighted mean of the three columns.",
        OUT_OF_DOMAIN,
        "Avg",
        lengths=False,
        runs=tables.of_item("out_of_domain", base=True),
        notes=() if tables.scale == "paper" else (at_tiny,),
    )
