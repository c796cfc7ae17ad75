"""The card beside the weights."""

import yaml

from red.plumbing.card import card
from red.plumbing.provenance import spec_hash

SPEC = {"run": "red_i", "method": "red", "seed": 1, "scale": "tiny", "init_from": "sft@50"}


def test_it_names_method_base_seed_scale_and_origin():
    text = card(SPEC, "abc", 300, "")
    for part in (
        "red\\_i, seed 1",
        "| method | red |",
        "sft@50",
        "| scale | tiny |",
        "| steps | 300 |",
        "abc",
        spec_hash(SPEC),
        '"init_from": "sft@50"',
    ):
        assert part in text


def test_the_header_is_what_hubs_read():
    header = yaml.safe_load(card(SPEC, "abc", 300, "").split("---")[1])
    assert header["library_name"] == "transformers" and "red" in header["tags"]


def test_it_says_when_training_stopped_early():
    assert "120, stopped early: collapse" in card(SPEC, "", 120, "collapse")


def test_tiny_models_are_not_recommended():
    assert "of no use for anything else" in card(SPEC, "", 1, "")
    assert "of no use" not in card(SPEC | {"scale": "paper"}, "", 1, "")
