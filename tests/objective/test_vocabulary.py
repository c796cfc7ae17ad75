"""Log-probability and entropy by blocks of the vocabulary: exact, differentiable, small."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from red.objective import product as products
from red.objective import vocabulary
from red.objective.vocabulary import logp_and_entropy

CASES = [(1.0, None), (0.6, None), (2.0, None), (1.0, 3.0), (0.6, 3.0)]


def example(tokens=7, width=5, words=300, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(tokens, width, generator=generator, dtype=torch.float64).to(dtype)
    embedding = torch.randn(words, width, generator=generator, dtype=torch.float64).to(dtype)
    target = torch.randint(words, (tokens,), generator=generator)
    return hidden.requires_grad_(), embedding.requires_grad_(), target


def in_blocks(hidden, embedding, target, temperature=1.0, cap=None):
    assert len(embedding) > vocabulary.NARROWEST
    return logp_and_entropy(hidden, embedding, target, temperature, cap, block=1)


def textbook(hidden, embedding, target, temperature=1.0, cap=None):
    logits = hidden @ embedding.T
    if cap is not None:
        logits = cap * torch.tanh(logits / cap)
    entropy = torch.distributions.Categorical(logits=logits).entropy()
    return -torch.nn.functional.cross_entropy(logits / temperature, target, reduction="none"), entropy


def gradients(function, inputs, *options, coefficients=(1.3, -0.7)):
    hidden, embedding, target = inputs
    logp, entropy = function(hidden, embedding, target, *options)
    varied = torch.linspace(-1, 2, len(target), dtype=logp.dtype)
    loss = (coefficients[0] * varied * logp).sum() + coefficients[1] * (varied.square() * entropy).sum()
    return torch.autograd.grad(loss, (hidden, embedding))


@pytest.mark.parametrize(("temperature", "cap"), CASES)
def test_values_are_those_of_the_textbook(temperature, cap):
    inputs = example()
    for function in (in_blocks, logp_and_entropy):
        torch.testing.assert_close(
            function(*inputs, temperature, cap), textbook(*inputs, temperature, cap), rtol=1e-12, atol=1e-12
        )


def test_every_word_is_found_in_its_block():
    """The first and the last word of a block among them."""
    words = 2 * vocabulary.NARROWEST + 3
    hidden, embedding, _ = example(tokens=words, words=words)
    inputs = (hidden, embedding, torch.arange(words))
    torch.testing.assert_close(in_blocks(*inputs)[0], textbook(*inputs)[0], rtol=1e-12, atol=1e-12)


def test_a_second_derivative_is_refused():
    hidden, embedding, target = example()
    (gradient,) = torch.autograd.grad(in_blocks(hidden, embedding, target)[0].sum(), hidden, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad|once_differentiable"):
        torch.autograd.grad(gradient.sum(), hidden)


@pytest.mark.parametrize(("temperature", "cap"), CASES)
def test_gradients_are_those_of_finite_differences(temperature, cap):
    hidden, embedding, target = example(tokens=3, width=2, words=140)
    torch.autograd.gradcheck(
        lambda h, e: in_blocks(h, e, target, temperature, cap), (hidden, embedding), fast_mode=False
    )


@pytest.mark.parametrize("coefficients", [(1.0, 0.0), (0.0, 1.0), (1.3, -0.7)])
@pytest.mark.parametrize(("temperature", "cap"), CASES)
def test_gradients_are_those_of_the_textbook(temperature, cap, coefficients):
    inputs = example()
    expected = gradients(textbook, inputs, temperature, cap, coefficients=coefficients)
    found = gradients(in_blocks, inputs, temperature, cap, coefficients=coefficients)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("output", [0, 1])
def test_a_loss_of_one_output_alone_has_its_gradient(output):
    inputs = example()
    for found, expected in zip(
        torch.autograd.grad(in_blocks(*inputs)[output].sum(), inputs[:2]),
        torch.autograd.grad(textbook(*inputs)[output].sum(), inputs[:2]),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


def test_a_frozen_embedding_or_a_frozen_body_needs_no_gradient():
    hidden, embedding, target = example()
    expected = torch.autograd.grad(textbook(hidden, embedding, target)[0].sum(), (hidden, embedding))
    for grad, inputs in zip(expected, [(hidden, embedding.detach()), (hidden.detach(), embedding)], strict=True):
        live = [x for x in inputs if x.requires_grad]
        (found,) = torch.autograd.grad(in_blocks(*inputs, target)[0].sum(), live)
        torch.testing.assert_close(found, grad, rtol=1e-11, atol=1e-12)


def test_a_tied_embedding_collects_the_gradient_of_both_uses():
    _, embedding, target = example()
    ids = target.flip(0)
    found, expected = (
        torch.autograd.grad(function(embedding[ids], embedding, target)[0].sum(), embedding)[0]
        for function in (in_blocks, textbook)
    )
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


def test_float32_is_as_close_to_the_truth_as_its_rounding():
    inputs = example(tokens=40, width=64, words=1000, dtype=torch.float32)
    exact = tuple(x.detach().double().requires_grad_() for x in inputs[:2]) + inputs[2:]
    for found, expected in zip(in_blocks(*inputs), textbook(*exact), strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    for found, expected in zip(gradients(in_blocks, inputs), gradients(textbook, exact), strict=True):
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)


def test_bfloat16_inputs_are_accumulated_in_float32():
    inputs = example(tokens=40, width=64, words=1000, dtype=torch.bfloat16)
    exact = tuple(x.detach().double().requires_grad_() for x in inputs[:2]) + inputs[2:]
    for found, expected in zip(in_blocks(*inputs), textbook(*exact), strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    for found, expected in zip(gradients(in_blocks, inputs), gradients(textbook, exact), strict=True):
        assert found.dtype == torch.bfloat16
        # One rounding, of the sum: half a unit in the last of 8 bits.
        torch.testing.assert_close(found.double(), expected, rtol=2**-8, atol=1e-4)


def test_half_precision_is_computed_in_float32_however_small_the_input():
    logp, entropy = logp_and_entropy(*example(dtype=torch.bfloat16))
    assert logp.dtype == entropy.dtype == torch.float32


def test_large_logits_neither_overflow_nor_cancel():
    hidden, embedding, target = example()
    logp, entropy = in_blocks(hidden * 1e4, embedding, target)
    assert torch.isfinite(logp).all() and torch.isfinite(entropy).all() and (entropy >= -1e-9).all()
    best = (hidden @ embedding.T).argmax(1)
    torch.testing.assert_close(in_blocks(hidden * 1e4, embedding, best)[0], torch.zeros(7).double())


def test_equal_logits_have_the_entropy_of_a_uniform_choice():
    _, embedding, target = example()
    logp, entropy = in_blocks(torch.zeros(7, 5, dtype=torch.float64), embedding, target)
    assert entropy.tolist() == pytest.approx([math.log(300)] * 7)
    assert logp.tolist() == pytest.approx([-math.log(300)] * 7)


class Largest(TorchDispatchMode):
    """Elements of the largest tensor that any operation makes."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return made


def test_a_block_takes_the_memory_that_it_is_meant_to():
    """On a CPU what the allocator keeps, 32 MiB of float64; elsewhere 256 MiB of float32."""
    assert vocabulary.BLOCK["cpu"] * 8 == 32 * 2**20
    assert vocabulary.BLOCK_ELSEWHERE * 4 == 256 * 2**20


@pytest.mark.parametrize("tokens", [64, 256])
def test_no_tensor_is_larger_than_a_block_or_an_input(tokens):
    inputs = example(tokens=tokens, width=8, words=8000, dtype=torch.float32)
    with Largest() as largest:
        logp, entropy = logp_and_entropy(*inputs, block=2**16)
        (logp.sum() + entropy.sum()).backward()
    assert largest.elements == max(2**16, 8 * 8000) < tokens * 8000


def test_two_passes_are_equal_bit_for_bit():
    inputs = example(tokens=40, width=64, words=1000, dtype=torch.float32)
    first, second = (in_blocks(*inputs) for _ in range(2))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert all(map(torch.equal, gradients(in_blocks, inputs), gradients(in_blocks, inputs)))


def test_the_product_of_the_platform_and_the_plain_one_agree(monkeypatch):
    inputs = example(tokens=40, width=64, words=1000, dtype=torch.float32)
    fast = (*in_blocks(*inputs), *gradients(in_blocks, inputs))
    monkeypatch.setattr(products, "_ONEDNN", None)
    plain = (*in_blocks(*inputs), *gradients(in_blocks, inputs))
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-4)


def test_a_target_outside_the_vocabulary_is_not_a_number():
    hidden, embedding, target = example()
    logp, _ = in_blocks(hidden, embedding, target.index_fill(0, torch.tensor([2]), 300))
    assert torch.isnan(logp).tolist() == [False, False, True, False, False, False, False]


def test_mixed_types_are_refused():
    hidden, embedding, target = example()
    with pytest.raises(ValueError, match=r"hidden is torch\.float32, embedding torch\.float64"):
        logp_and_entropy(hidden.float(), embedding, target)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gpu_agrees_with_the_cpu(dtype):
    inputs = example(tokens=40, width=64, words=1000, dtype=dtype)
    there = tuple(x.detach().cuda().requires_grad_(x.is_floating_point()) for x in inputs)
    torch.testing.assert_close([x.cpu() for x in in_blocks(*there)], list(in_blocks(*inputs)), rtol=1e-3, atol=1e-3)
    found, expected = gradients_on(there), gradients_on(inputs)
    torch.testing.assert_close([x.cpu() for x in found], list(expected), rtol=2e-2, atol=2e-2)


def gradients_on(inputs):
    logp, entropy = in_blocks(*inputs)
    return torch.autograd.grad((1.3 * logp - 0.7 * entropy).sum(), inputs[:2])
