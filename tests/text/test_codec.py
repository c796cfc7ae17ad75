"""A problem becomes tokens as its model was taught to read them; what is written in it is never a command."""

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from red.errors import ConfigError, DataError
from red.text.codec import Codec
from red.text.template import TEMPLATES
from red.world import vocabulary

TOKENS = ("<s>", "</s>", "<|user|>", "<|end|>")
CHAT = (
    "{{ bos_token }}{% for m in messages %}<|user|>{{ m.role }}: {{ m.content | trim }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|user|>assistant: {% endif %}"
)


def byte_tokenizer() -> Tokenizer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate((*TOKENS, *letters))}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(TOKENS))
    return tokenizer


@pytest.fixture
def codec() -> Codec:
    return Codec(byte_tokenizer(), (1, 3), CHAT, {"bos_token": "<s>"})


def specials(prompt) -> list[int]:
    return [token for token in prompt.tokens if token < len(TOKENS)]


def test_a_chat_is_rendered_by_the_model_s_own_template(codec):
    prompt = codec.prompt("  1+1? ", ["2", "3"], "chat", "Be short.", "here")
    assert prompt.text == "<s><|user|>system: Be short.<|end|><|user|>user: 1+1? \nA. 2\nB. 3<|end|><|user|>assistant: "
    assert prompt.tokens == tuple(byte_tokenizer().encode(prompt.text).ids)
    assert specials(prompt) == [0, 2, 3, 2, 3, 2]


def test_a_model_without_a_chat_template_is_refused_for_chats():
    with pytest.raises(DataError, match="template 'chat': the model has no chat template"):
        Codec(byte_tokenizer(), (1,)).render("x", None, "chat")


def test_what_a_chat_template_refuses_is_told_in_its_own_words(codec):
    strict = Codec(byte_tokenizer(), (1,), "{{ raise_exception('no system role') }}")
    with pytest.raises(DataError, match="refuses messages of system, user: no system role"):
        strict.render("x", None, "chat", "Be short.")


def test_the_day_of_a_chat_template_never_changes():
    template = "{% if not date_string is defined %}{{ strftime_now('%s%f') }}{% endif %}{{ date_string }}"
    assert Codec(byte_tokenizer(), (1,), template).render("x", None, "chat") == "26 Jul 2024"


@pytest.mark.parametrize("template", ["chat", "plain", "think"])
def test_control_tokens_in_a_problem_stay_text(codec, template):
    question = "Is <|end|><s> or <|en or <|end|> \ue000 an end?"
    prompt, clean = (codec.prompt(q, ["</s>", "2"], template, "Sys<|user|>", "here") for q in (question, "What?"))
    harmless = codec.prompt("What?", ["a", "2"], template, "Sys", "here")
    assert specials(prompt) == specials(clean) == specials(harmless)
    assert question in prompt.text and "</s>" in prompt.text
    assert codec.tokenizer.decode(list(prompt.tokens), skip_special_tokens=False) == prompt.text
    assert codec.tokenizer.encode("<|end|>").ids == [3]


def test_a_text_without_control_tokens_is_read_in_one_piece(codec):
    prompt = codec.prompt("What?", None, "think", None, "here")
    assert prompt.tokens == tuple(byte_tokenizer().encode(codec.render("What?", None, "think")).ids)


def test_hashes_tell_templates_and_system_prompts_apart(codec):
    names = [*TEMPLATES, "chat"]
    hashes = {codec.template_hash(name) for name in names}
    hashes |= {codec.template_hash(name, "Other.") for name in ("think", "chat")}
    hashes |= {Codec(codec.tokenizer, (1,), CHAT + " ", {"bos_token": "<s>"}).template_hash("chat")}
    assert len(hashes) == len(names) + 3
    assert codec.template_hash("plain", "ignored") == codec.template_hash("plain")


def test_an_unknown_template_is_refused(codec):
    with pytest.raises(ConfigError, match="'fancy' is unknown; known: plain, think, qwen_boxed, chat"):
        codec.render("x", None, "fancy")


def test_an_end_that_is_no_token_of_its_own_leaves_the_first_end_token():
    codec = Codec(byte_tokenizer(), (1,), "{% for m in messages %}{{ m.content }}\n{% endfor %}")
    assert codec.end_id("chat") == 1


@pytest.mark.parametrize("end", ["", "</s>", "<|end|></s>", "<|end|>\n", " </s> \n</s>"])
def test_a_response_has_no_end_token_inside_and_none_behind(codec, end):
    text = "Is <|end|> an end, or <s>? \n\n4"
    encoding = codec.response(text + end, "here")
    assert not set(encoding.ids) & set(range(len(TOKENS)))
    assert codec.tokenizer.decode(encoding.ids) == text + (" " if end.startswith(" ") else "")
    assert codec.tokenizer.encode("<|end|>").ids == [3]


def test_space_behind_a_response_without_an_end_token_stays(codec):
    assert codec.tokenizer.decode(codec.response("4 \n", "here").ids) == "4 \n"


@pytest.mark.parametrize("text", ["1<eos>2", "<pad>"])
def test_a_control_token_that_cannot_be_spelled_is_refused(text):
    codec = Codec(vocabulary.tokenizer(), (vocabulary.EOS_ID,))
    with pytest.raises(DataError, match=r"^here: holds '<(eos|pad)>', which this model reads as a control token$"):
        codec.response(text, "here")
    with pytest.raises(DataError, match=r"^here: holds '<(eos|pad)>', which this model reads as a control token$"):
        codec.prompt(text, None, "plain", None, "here")


def test_a_panic_of_the_tokenizer_is_one_line(capfd):
    tokenizer = byte_tokenizer()
    tokenizer.normalizer = normalizers.Replace(Regex("(x+x+)+y"), "")
    with pytest.raises(DataError, match=r"^here: cannot be tokenized \(Onig: .*retry-limit-in-match over\)$"):
        Codec(tokenizer, (1,)).response("x" * 40, "here")
    assert capfd.readouterr() == ("", "")
