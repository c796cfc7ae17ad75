"""Words of the tiny world and the tokenizer that splits text into them."""

from functools import cache

from tokenizers import AddedToken, Tokenizer, decoders, models

PAD = "<pad>"
EOS = "<eos>"
THINKING_WORDS = ("Wait, ", "But ", "Alternatively, ")
# What the varied wording says beside the plain one (`red.world.phrases`).
VARIED_WORDS = (
    "Let me see. ",
    "Let us begin. ",
    "To begin, ",
    "Start with ",
    "After that, ",
    "Now ",
    "That gives ",
    "Good. ",
    "So far so good. ",
    "Hmm, ",
    "once more: ",
    "Right. ",
    "It holds. ",
    "Therefore it is ",
    "The result is ",
)
NUMBERS = tuple(str(number) for number in range(100))
QUESTION_WORDS = (
    "Compute ",
    "Split ",
    "Solve ",
    "x",
    " boxes of ",
    " pens, then ",
    " more",
    " lost",
    "\nOptions: ",
    ".\nA:",
)
SOLUTION_WORDS = (
    "+",
    "-",
    "*",
    "/",
    "=",
    ": ",
    ", ",
    ". ",
    "\\boxed{",
    "}",
    "Answer ",
    "Okay, let me think. ",
    "First, ",
    "Then ",
    "Next, ",
    *THINKING_WORDS,
    "let me check ",
    "is it right? ",
    "Yes. ",
    "So the answer is ",
)
WORDS = QUESTION_WORDS + SOLUTION_WORDS + NUMBERS
VOCABULARY = (PAD, EOS, *WORDS)
PAD_ID, EOS_ID = 0, 1


def words(varied: bool = False) -> tuple[str, ...]:
    """Words of the texts; the varied wording has more, behind the others."""
    return WORDS + VARIED_WORDS if varied else WORDS


@cache
def tokenizer(varied: bool = False) -> Tokenizer:
    """Word-level tokenizer: text is cut at the longest word that matches, decoding joins the words.

    Every concatenation of words survives encoding and decoding. Text outside the vocabulary raises,
    because there is no unknown token to hide it.
    """
    known = words(varied)
    result = Tokenizer(models.WordLevel({word: index for index, word in enumerate((PAD, EOS, *known))}))
    # The cut is made by the added-token matcher, not by a pre-tokenizer: transformers 5 replaces the
    # pre-tokenizer of every model whose type is qwen2, but keeps added tokens.
    result.add_tokens([AddedToken(word, normalized=False) for word in known])
    result.add_special_tokens([AddedToken(word, normalized=False) for word in (PAD, EOS)])
    result.decoder = decoders.Fuse()
    return result


def tokenizer_config(max_length: int) -> dict[str, object]:
    """tokenizer_config.json with which transformers and vLLM load the tokenizer unchanged."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "eos_token": EOS,
        "unk_token": PAD,  # without it transformers 5 adds a token beyond the vocabulary
        "model_max_length": max_length,
        "clean_up_tokenization_spaces": False,
        "padding_side": "left",
    }
