"""A wrong name is one line that says the right one: commands, items, groups, runs."""

import json

import pytest
import yaml

from analysis.listing import check_items
from analysis.parts.accuracy_table import GROUP_TITLES
from red import __version__
from red.__main__ import main
from red.errors import ConfigError
from red.study import jobs
from red.study.config import SCHEMA, load


def refused(repository, tmp_path, text: str) -> str:
    """What is said of an overlay."""
    (tmp_path / "overlay.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        config = load(repository / "config" / "default.yaml", tmp_path / "overlay.yaml")
        check_items(config)
        jobs.check(config)
    return str(error.value)


def test_red_says_its_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"red {__version__}\n")


def test_a_command_that_is_none_is_answered_with_the_nearest(capsys):
    assert main(["stauts"]) == 2
    assert capsys.readouterr().err == "red: no command 'stauts'; did you mean 'status'?\n"
    assert main(["zzz"]) == 2
    assert "one of collect, compare, " in capsys.readouterr().err


def test_an_option_that_is_none_is_answered_by_its_command(capsys):
    assert main(["status", "--unfinish", "--jsno"]) == 2
    said = "red status: unrecognized arguments: --jsno; did you mean '--json'?; red status --help tells more\n"
    assert capsys.readouterr().err == said
    assert main(["data", "model", "--sepc=x", "--spec", "{}", "--out", "x"]) == 2
    assert "did you mean '--spec'?; red data model --help tells more" in capsys.readouterr().err
    assert main(["--verbos1", "status"]) == 2
    assert capsys.readouterr().err.startswith(
        "red status: unrecognized arguments: --verbos1; did you mean '--verbose'?; red --"
    )


def test_status_and_doctor_speak_to_programs(tmp_path, capsys):
    places = {name: str(tmp_path / name) for name in ("results", "logs", "benchmarks")}
    (tmp_path / "o.yaml").write_text(yaml.safe_dump({"only": ["red"], "seeds": [0], "pathvars": places}))
    assert main(["status", "--json", "--configfile", str(tmp_path / "o.yaml")]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"run": "red", "seed": 0, "training": "waiting", "step": 0}.items() <= rows[-1].items()
    status = main(["doctor", "--json", "--configfile", str(tmp_path / "o.yaml")])
    checks = json.loads(capsys.readouterr().out)
    assert status == any(check["verdict"] == "fail" for check in checks)
    assert {"name", "verdict", "text"} == checks[0].keys()


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ("items: [main_result]", "items: no item 'main_result'; did you mean 'main_results'?"),
        ("runs: {red: {items: [overvew]}}", "runs.red.items: no item 'overvew'; did you mean 'overview'?"),
        ("base: {items: [cots]}", "base.items: no item 'cots'; did you mean 'cost'?"),
        ("only: [rde]", "only: no run named 'rde'; did you mean 'red'?"),
        ("runs: {x: {like: rde}}", "runs.x.like: no run named 'rde'; did you mean 'red'?"),
        ("runs: {x: {method: LUFY}}", "runs.x.method: unknown method 'LUFY'; did you mean 'luffy'?"),
        ("probes: {entropy: {runs: [rde]}}", "probes.entropy.runs: no run named 'rde'; did you mean 'red'?"),
        ("rates: {gpro: 1.0e-3}", "rates: no run named 'gpro'; did you mean 'grpo'?"),
        (
            "benchmarks: {x: {source: math50, group: math, grader: math, metric: pass_at_1, samples: 1}}",
            "benchmarks.x.source: 'math50' is not in the catalog; did you mean 'math500'?",
        ),
        ("data: {prompts: {cuont: 9}}", "data.prompts.cuont: unknown key; did you mean 'count'?"),
        ("data: {prompts: {source: opnr1}}", "data.prompts.source: 'opnr1' is unknown; did you mean 'openr1'?"),
        ("large_model: {source: hbu}", "large_model.source: 'hbu' is unknown; one of embedded, hub"),
        ("runs: {srft: {init_from: stf}}", "runs.srft.init_from: no run named 'stf'; did you mean 'sft'?"),
    ],
)
def test_a_name_of_the_configuration_that_is_none_is_answered_with_the_nearest(repository, tmp_path, overlay, message):
    assert refused(repository, tmp_path, overlay) == message


def test_a_group_that_no_table_heads_is_refused(repository, tmp_path):
    said = refused(repository, tmp_path, "runs: {red: {row_group: unifed}}")
    assert said.startswith("runs.red.row_group: 'unifed' is not one of [") and said.endswith("did you mean 'unified'?")
    groups = yaml.safe_load(SCHEMA.read_text())["$defs"]["row_group"]["enum"]
    assert {*groups, "published"} == GROUP_TITLES.keys()
