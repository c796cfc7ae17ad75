"""End tokens, BOS and chat templates are read from wherever a folder keeps them."""

import json

import pytest
from tokenizers.processors import TemplateProcessing

from red.errors import DataError
from red.models import checkpoint as checkpoints
from red.models.folder import load_codec
from tests.fixtures.checkpoints import byte_tokenizer

CHATML = (
    "{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)


@pytest.fixture
def folder(byte_checkpoint):
    return byte_checkpoint


def change(path, **values):
    document = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**document, **values}))


def add_tokens(folder, *names):
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens(list(names))
    tokenizer.save(str(folder / "tokenizer.json"))
    change(folder / "config.json", vocab_size=tokenizer.get_vocab_size())
    return [tokenizer.token_to_id(name) for name in names]


@pytest.mark.parametrize(
    ("config", "generation", "expected"),
    [
        (1, 1, (1,)),
        ([5, 1], None, (5, 1)),
        (None, [1, 5], (1, 5)),
        (7, [1, 5], (1, 5, 7)),
        (None, None, (1,)),  # tokenizer_config.json says <eos>
        ([], [], (1,)),
    ],
)
def test_every_end_token_ends_a_response(folder, config, generation, expected):
    change(folder / "config.json", eos_token_id=config)
    change(folder / "generation_config.json", eos_token_id=generation)
    assert load_codec(folder).stop_ids == expected


def test_no_end_token_anywhere_is_refused(folder):
    change(folder / "config.json", eos_token_id=None)
    change(folder / "generation_config.json", eos_token_id=None)
    change(folder / "tokenizer_config.json", eos_token=None)
    with pytest.raises(DataError, match="eos_token_id is missing"):
        load_codec(folder)


@pytest.mark.parametrize("end", [-1, 10**6, "1", True, [1, 2.0]])
def test_an_end_token_that_is_no_token_is_refused(folder, end):
    change(folder / "generation_config.json", eos_token_id=end)
    with pytest.raises(DataError, match="generation_config.json: eos_token_id .* is not a token of the vocabulary"):
        load_codec(folder)


def test_the_end_of_a_chat_message_ends_a_response_and_a_demonstration_in_a_chat(folder):
    _, end = add_tokens(folder, "<|start|>", "<|end|>")
    (folder / "chat_template.jinja").write_text(CHATML)
    codec = load_codec(folder)
    assert codec.stop_ids == (1, end)
    assert (codec.end_id("chat"), codec.end_id("think")) == (end, 1)


@pytest.mark.parametrize(
    "place",
    [
        lambda folder: (folder / "chat_template.jinja").write_text(CHATML),
        lambda folder: change(folder / "tokenizer_config.json", chat_template=CHATML),
        lambda folder: change(
            folder / "tokenizer_config.json",
            chat_template=[{"name": "tools", "template": ""}, {"name": "default", "template": CHATML}],
        ),
    ],
    ids=["file", "tokenizer_config", "named"],
)
def test_a_chat_template_is_found_in_its_three_places(folder, place):
    place(folder)
    text = load_codec(folder).render("What?", None, "chat")
    assert text == "<|start|>user\nWhat?<|end|>\n<|start|>assistant\n"


def test_the_file_wins_over_the_older_place(folder):
    (folder / "chat_template.jinja").write_text("file")
    change(folder / "tokenizer_config.json", chat_template="older")
    assert load_codec(folder).chat_template == "file"


def test_bos_comes_from_the_template_of_the_tokenizer_and_eos_does_not(folder):
    tokenizer = byte_tokenizer()
    tokenizer.post_processor = TemplateProcessing(single="<pad> $A <eos>", special_tokens=[("<pad>", 0), ("<eos>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    prompt = load_codec(folder).prompt("ab", None, "plain", None, "here")
    assert prompt.tokens == (0, *byte_tokenizer().encode("ab.\nA:").ids)


def test_a_tokenizer_of_any_family_is_read(folder):
    change(folder / "config.json", model_type="gemma2")
    assert load_codec(folder).stop_ids == (1,)
    with pytest.raises(DataError, match="model_type is 'gemma2'"):
        checkpoints.load(folder)
