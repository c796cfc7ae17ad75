"""The section `derived`: what it asks for, and what is refused before anything runs."""

from pathlib import Path

import pytest

from analysis.listing import check_items
from red.errors import ConfigError
from red.models.surgery import Derivation
from red.plumbing.records import from_mapping
from red.study import config, derived, jobs, paths
from red.study.estimate import estimate
from red.study.runs import MODELS, run_spec, snapshots
from red.study.status import progress

LINES = {
    "early": {"of": "sft@20", "label": "SFT-20", "items": ["forgetting"]},
    "vectors": {"of": "sft", "vectors": "base", "seeds": [0, 2]},
    "values": {"of": "sft", "values": "sft@30"},
    "random": {"null_of": "vectors"},
    "later": {"of": "sft_grpo@100"},
}
FOLDER = Path(__file__).parents[2] / "config"


@pytest.fixture(scope="module")
def shipped():
    return config.load(FOLDER / "default.yaml")


@pytest.fixture(scope="module")
def document(shipped):
    probes = {"rotation": {"runs": ["sft", "early", "later"]}}
    made = {**shipped, "seeds": [0, 1, 2], "derived": LINES, "probes": probes, "only": ["sft", "sft_grpo"]}
    return config.select(made)


def test_a_configuration_with_the_section_is_accepted(document):
    config.check(document)
    jobs.check(document)


def test_each_is_evaluated_with_the_seeds_of_what_it_is_made_of_and_never_trained(document):
    assert [name for name, _ in jobs.trained(document)] == ["sft"] * 3 + ["sft_grpo"] * 3
    found = jobs.evaluated(document)[-13:]
    assert [pair[0] for pair in found] == ["early"] * 3 + ["vectors"] * 2 + ["values"] * 3 + ["random"] * 2 + [
        "later"
    ] * 3
    assert [seed for name, seed in found if name == "random"] == [0, 2]


def test_a_run_keeps_the_snapshots_that_are_asked_for(document):
    kept = snapshots(document)
    assert kept["sft"] >= {20, 30} and kept["sft_grpo"] == {100}
    assert {20, 30} <= set(run_spec(document, "sft", 0).snapshots)


@pytest.mark.parametrize("key", MODELS)
def test_a_step_that_any_key_of_a_line_names_is_kept(key, document):
    made = {**document, "derived": {"other": {"of": "sft", key: "sft@7"}}}
    assert 7 in snapshots(made)["sft"]


def test_the_command_gets_a_whole_order(document):
    orders = {name: from_mapping(Derivation, derived.spec(document, name, 2), "spec") for name in LINES}
    assert [(order.kind, order.of, order.donor, order.step) for order in orders.values()] == [
        ("snapshot", "sft@20", None, 20),
        ("vectors", "sft", "base", 150),
        ("values", "sft", "sft@30", 150),
        ("null", "sft", "vectors", 150),
        ("snapshot", "sft_grpo@100", None, 100),
    ]


def test_a_model_is_made_of_what_its_line_names(document):
    snapshots = "<results>/runs/sft/seed2/snapshots"
    late, base = "<results>/runs/sft/seed2/checkpoint", "<models>/base_seed2"
    assert paths.sources(document, "early", 2) == {"of": snapshots}
    assert paths.derivation(document, "early", {"of": snapshots}) == {"of": f"{snapshots}/step20"}
    assert paths.sources(document, "vectors", 2) == {"of": late, "donor": base}
    found = paths.sources(document, "values", 2)
    assert found == {"of": late, "donor": snapshots}
    assert paths.derivation(document, "values", found) == {"of": late, "donor": f"{snapshots}/step30"}
    restored = "<results>/derived/vectors/seed2/checkpoint"
    assert paths.sources(document, "random", 2) == {"of": late, "donor": restored}
    assert paths.checkpoint(document, "vectors", 2) == restored


def test_it_starts_where_its_run_started(document):
    assert paths.parent(document, "early", 1) == paths.parent(document, "sft", 1) == "<models>/base_seed1"
    assert paths.parent(document, "later", 1) == "<results>/runs/sft/seed1/checkpoint"


def test_rotation_is_measured_at_its_step_and_has_no_prompts(document):
    assert jobs.probe_spec(document, "early", "rotation") == {"probe": "rotation", "seed": 0, "step": 20}
    assert jobs.probe_spec(document, "sft", "rotation")["step"] == 150
    order = jobs.collect_spec(document)["probes"]["rotation"]
    assert order["prompts"] is None and order["runs"] == ["sft", "early", "later"]
    assert ("early", 2, "rotation") in jobs.probed(document)


def test_the_tables_say_what_each_is(document):
    entries = {(entry["run"], entry["seed"]): entry for entry in jobs.collect_spec(document)["runs"]}
    early, random = entries["early", 1], entries["random", 2]
    assert (early["method"], early["label"], early["items"], early["steps"]) == ("derived", "SFT-20", ["forgetting"], 0)
    assert (early["spec"]["kind"], early["spec"]["of"], early["spec"]["step"]) == ("snapshot", "sft@20", 20)
    assert (random["spec"]["kind"], random["spec"]["donor"], random["label"]) == ("null", "vectors", "random")


def test_status_and_estimate_know_them(document, tmp_path):
    results = tmp_path / "results"
    (results / "derived" / "early" / "seed1").mkdir(parents=True)
    (results / "derived" / "early" / "seed1" / "provenance.json").write_text("{}")
    log = tmp_path / "logs" / "derive" / "random" / "seed2.log"
    log.parent.mkdir(parents=True)
    log.write_text("red derive: no space left\n")
    places = {"results": str(results), "logs": str(tmp_path / "logs"), "benchmarks": str(tmp_path)}
    rows = {(row.run, row.seed): row for row in progress({**document, "pathvars": places})}
    assert rows["early", 1].training == "done" and rows["early", 0].training == "waiting"
    assert rows["random", 2].reasons == ("derive: red derive: no space left",)
    costs = {row.run: row for row in estimate({**document, "pathvars": places}).rows}
    assert (costs["values"].seeds, costs["values"].steps, costs["values"].training.seconds) == (3, 0, 0)
    assert costs["values"].evaluation == costs["sft"].evaluation
    assert costs["early"].training.disk == 0 < costs["vectors"].training.disk


def test_what_is_derived_of_a_run_that_is_left_out_goes_with_it(shipped):
    probes = {"rotation": {"runs": ["sft", "later"]}}
    found = config.select({**shipped, "derived": LINES, "probes": probes, "only": ["sft"]})
    assert list(found["derived"]) == ["early", "vectors", "values", "random"]
    assert found["probes"]["rotation"]["runs"] == ["sft"]


def test_null_takes_one_away(shipped):
    found = config.select({**shipped, "derived": {**LINES, "early": None}})
    assert "early" not in found["derived"]


REFUSED = [
    ({"of": "sftt"}, r"derived\.x\.of: no run named 'sftt'; did you mean 'sft'\?"),
    (
        {"of": "sft", "vectors": "sft@150"},
        r"derived\.x\.vectors: step 150 is not inside sft's 150 steps; its last .* 'sft'",
    ),
    ({"of": "sft@0"}, r"derived\.x\.of: 'sft@0' must name a run"),
    ({"of": "sft@early"}, r"derived\.x\.of: 'sft@early' must name a run, or its model after a step, as in sft@20"),
    ({"of": "sft", "vector": "base"}, r"derived\.x\.vector: unknown key; did you mean 'vectors'\?"),
    ({"of": "base"}, r"derived\.x\.of: name a run"),
    ({"of": "sft@20", "matrices": "sft@20"}, r"derived\.x\.matrices: sft@20 is the model itself"),
    ({"label": "nothing"}, r"derived\.x: give `of`"),
    ({"of": "sft", "null_of": "vectors"}, r"derived\.x: give `of`, .* and not both"),
    ({"of": "sft", "vectors": "base", "values": "base"}, r"derived\.x\.values: one change at a time"),
    ({"null_of": "vectors", "values": "base"}, r"derived\.x\.values: one change at a time, and none beside null_of"),
    ({"null_of": "vektors"}, r"derived\.x\.null_of: no line derived\.vektors; did you mean 'vectors'\?"),
    ({"null_of": "early"}, r"derived\.x\.null_of: derived\.early restores none of vectors, values, matrices"),
    ({"of": "sft", "seeds": [5]}, r"derived\.x\.seeds: sft has no seed 5"),
    ({"of": "sft", "values": "grpo_sft_early"}, r"derived\.x\.seeds: grpo_sft_early has no seed 1"),
    ({"null_of": "vectors", "seeds": [1]}, r"derived\.x\.seeds: vectors has no seed 1"),
]


@pytest.mark.parametrize(("line", "message"), REFUSED)
def test_a_line_that_names_no_model_is_refused(line, message, shipped):
    with pytest.raises(ConfigError, match=message) as error:
        config.check({**shipped, "derived": {**LINES, "x": line}})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "message"), [("red", "a run has this name"), ("base", "the base has this name")])
def test_a_name_that_is_taken_is_refused(name, message, shipped):
    with pytest.raises(ConfigError, match=rf"derived\.{name}: {message}"):
        config.check({**shipped, "derived": {name: {"of": "sft"}}})


@pytest.mark.parametrize(
    ("probes", "message"),
    [
        ({"rotation": {"runs": ["base"]}}, r"probes\.rotation\.runs: base has no start that rotation could compare"),
        ({"rotation": {"runs": ["earli"]}}, r"probes\.rotation\.runs: no run named 'earli'"),
        ({"rotation": {"runs": ["sft"], "prompts": 3}}, r"probes\.rotation\.prompts: unknown key"),
        ({"entropy": {"runs": ["sft"], "prompts": 3}}, r"probes\.entropy: 'samples' is a required property"),
    ],
)
def test_a_probe_of_matrices_has_runs_with_a_start_and_no_prompts(probes, message, shipped):
    with pytest.raises(ConfigError, match=message):
        config.check({**shipped, "derived": LINES, "probes": probes})
        jobs.check({**shipped, "derived": LINES, "probes": probes})


def test_an_item_that_is_none_is_refused(shipped):
    with pytest.raises(ConfigError, match=r"derived\.early\.items: no item 'forgeting'"):
        check_items({**shipped, "derived": {"early": {"of": "sft@20", "items": ["forgeting"]}}})


def test_the_shipped_study_is_what_its_page_says(shipped):
    """Eight snapshots at about equal ratios, RL from four models of the curve and from the base, the same bases."""
    study = config.load(FOLDER / "default.yaml", FOLDER / "forgetting.yaml")
    lines = {name: derived.line(study, name) for name in study["derived"]}
    steps = [derived.step_of(study, name) for name, line in lines.items() if line.kind == "snapshot"]
    assert len(steps) == 8
    ratios = [after / before for before, after in zip(steps, [*steps[1:], 150], strict=True)]
    assert all(1.4 < ratio < 1.8 for ratio in ratios)
    starts = {run: study["runs"][run].get("init_from") for run in study["runs"] if run != "sft"}
    for method in ("grpo", "red"):
        own = {start for run, start in starts.items() if study["runs"][run]["method"] == method}
        assert own == {None, "sft@6", "sft@16", "sft@60", "sft"}
    assert len(jobs.trained(study)) == 33 and {seed for _, seed in jobs.trained(study)} == {0, 1, 2}
    assert sorted(line.kind for line in lines.values() if line.kind != "snapshot") == sorted(
        ["vectors", "values", "matrices", "null"] * 2
    )
    assert jobs.models(study).items() <= jobs.models(shipped).items()
    assert jobs.models_folder(study) == jobs.models_folder(shipped) and jobs.results(study) != jobs.results(shipped)
    jobs.check(study)
