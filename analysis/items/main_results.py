"""Table 2: main results.

Accuracy (percent) and mean response length (tokens) of every method on the mathematics benchmarks; Overall is their
unweighted mean. The paper's number stands in grey beside each cell. Bold and underline only where the paired test
supports the rank; † and ‡ mark the highest and the second where it does not.
"""

from analysis.output.item import Table
from analysis.parts.accuracy_table import accuracy_table
from red.tables.reader import Tables


def build(tables: Tables) -> Table:
    """Rows in the paper's groups, then ours; columns are the configured benchmarks of the group `math`."""
    benchmarks = tables.group("math")
    averaged = ", ".join(one.label for one in map(tables.benchmark, benchmarks) if one.metric == "avg_at_k")
    return accuracy_table(
        tables,
        "main_results",
        "Main results on the mathematics benchmarks",
        f"Accuracy in percent ({averaged or 'none'}: mean over samples, avg@k; the others: mean pass@1 over the "
        "drawn samples) and mean response length LEN in tokens, truncated answers at their cut length. "
        "Overall: unweighted mean of the columns. Ablations, controls and the base model are not ranked.",
        benchmarks,
        "Overall",
        runs=tables.of_item("main_results", base=True),
    )
