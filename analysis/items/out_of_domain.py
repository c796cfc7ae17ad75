"""Table 3: out of domain.

Accuracy (percent) on the benchmarks outside mathematics and their unweighted mean, beside Table 3 of the paper.
Of a generated benchmark the answer is the value of the right option, not its letter. Bold, underline, † and ‡ as in
Table 2.
"""

from analysis.output.item import Table
from analysis.parts.accuracy_table import accuracy_table
from red.tables.reader import Tables


def build(tables: Tables) -> Table:
    """Columns are the configured benchmarks of the group `out_of_domain`."""
    benchmarks = tables.group("out_of_domain")
    value = "In a synthetic set (*) the answer is the value of the right option, not its letter."
    return accuracy_table(
        tables,
        "out_of_domain",
        "Out-of-domain accuracy",
        "Accuracy in percent, pass@1, options shuffled with a stored seed. Avg: unweighted mean of the columns.",
        benchmarks,
        "Avg",
        lengths=False,
        runs=tables.of_item("out_of_domain", base=True),
        notes=(value,) if any(tables.benchmark(name).synthetic for name in benchmarks) else (),
    )
