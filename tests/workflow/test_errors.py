"""A wrong configuration ends with exactly one line, before anything runs."""

import pytest

CASES = {
    "a misspelt field of a run": ({"runs": {"red": {"wieght": {"window": 5}}}}, "runs.red.wieght"),
    "a misspelt field of a part": ({"runs": {"red": {"weight": {"windw": 5}}}}, "runs.red.weight.windw"),
    "a misspelt section": ({"benchmark": {}}, "benchmark"),
    "an item that does not exist": ({"items": ["main_result"]}, "main_result"),
    "a selected run that does not exist": ({"only": ["redd"]}, "redd"),
    "a misspelt resource": ({"resources": {"train": {"gpus": 8}}}, "resources.train.gpus"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_message_is_one_line_with_the_full_key(planned, case):
    document, key = CASES[case]
    done = planned.snakemake("all", "-n", "--configfile", planned.overlay("wrong.yaml", **document))
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert done.returncode != 0
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("config: ") and key in lines[0]
