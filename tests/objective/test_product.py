"""Matrix products: the same numbers from every library."""

import pytest
import torch

from red.objective import product as module
from red.objective.product import product


def matrices(dtype):
    g = torch.Generator().manual_seed(3)
    left, right, bias = (torch.randn(*shape, generator=g, dtype=torch.float64) for shape in ((5, 7), (6, 7), (6,)))
    return [value.to(dtype) for value in (left, right, bias)]


@pytest.mark.parametrize("library", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_product_is_accumulated_in_float32_and_float64_stays(dtype, library, monkeypatch):
    if not library:
        monkeypatch.setattr(module, "_ONEDNN", None)
    left, right, bias = matrices(dtype)
    expected = left.double() @ right.double().T
    found = product(left, right)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    assert torch.allclose(found.double(), expected, rtol=0, atol=tolerance)
    assert torch.allclose(product(left, right, bias).double(), expected + bias.double(), rtol=0, atol=tolerance)


def test_a_view_may_be_transposed():
    left, right, _ = matrices(torch.float32)
    assert torch.allclose(product(left.T.contiguous().T, right.T.contiguous().T), product(left, right))


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this build of torch has no oneDNN")
def test_onednn_is_taken_where_torch_has_it(monkeypatch):
    assert module._onednn() is not None
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert module._onednn() is None


@pytest.mark.parametrize(("dtype", "taken"), [(torch.float32, True), (torch.bfloat16, True), (torch.float64, False)])
def test_onednn_multiplies_on_a_cpu_what_is_accumulated_in_float32(dtype, taken, monkeypatch):
    calls = []

    def recorded(left, right, *_):
        calls.append(left.dtype)
        return left @ right.T

    monkeypatch.setattr(module, "_ONEDNN", recorded)
    product(*matrices(dtype)[:2])
    assert calls == ([torch.float32] if taken else [])
