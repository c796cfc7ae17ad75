"""Table 2: accuracy and length of every method on the six mathematics benchmarks."""

from analysis.account import MATH
from analysis.accuracy_table import accuracy_table
from analysis.item import Table
from red.tables.reader import Tables


def build(tables: Tables) -> Table:
    """Rows in the paper's groups, then ours; Overall is the unweighted mean of the six benchmarks."""
    return accuracy_table(
        tables,
        "main_results",
        "Main results on six mathematics benchmarks",
        "Accuracy in percent (AIME and AMC: mean over samples, avg@k; the others: mean pass@1 over the "
        "drawn samples) and mean response length LEN in tokens, truncated answers at their cut length. "
        "Overall: unweighted mean of the six columns. Ablations, controls and the base model are not "
        "ranked.",
        MATH,
        "Overall",
        runs=tables.of_item("main_results", base=True),
    )
