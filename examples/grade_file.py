"""Grade a file of responses: one verdict per line, and the accuracy.

    python examples/grade_file.py examples/responses.jsonl

A line is {"id", "response", "gold"}, for multiple choice also "options". `red grade --cases` does the same and writes
the verdicts to a file; this is how it looks from your own code.
"""

import json
import sys
from pathlib import Path

from red import Case, Grader, Verdict


def grade(path: Path) -> list[tuple[str, Verdict]]:
    """(id, verdict) of every line, in order."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    cases = [Case(row["response"], row["gold"], row.get("options") and tuple(row["options"])) for row in rows]
    with Grader() as grader:
        return [(row["id"], verdict) for row, verdict in zip(rows, grader.grade(cases), strict=True)]


if __name__ == "__main__":
    verdicts = grade(Path(sys.argv[1]))
    for name, verdict in verdicts:
        print(f"{name:10} {'right' if verdict.correct else 'wrong':6} {verdict.reason}")
    print(f"accuracy {sum(verdict.correct for _, verdict in verdicts) / len(verdicts):.2f}")
