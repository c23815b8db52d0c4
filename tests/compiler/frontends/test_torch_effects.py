"""What torch programs do beside returning values becomes outputs, or is refused."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.export.graph_signature import OutputKind

from stagecut.compiler.frontends.imported import Change, Imported
from stagecut.compiler.frontends.torch_effects import changes_of
from stagecut.compiler.frontends.torch_export import from_live
from stagecut.compiler.ir.errors import ModelError
from tests.support.reference import run_reference
from tests.support.torch_modules import Clears, Counter, Doubles, Linear, Rfft, Spectrum

X = torch.from_numpy(np.random.default_rng(0).standard_normal((6, 3), np.float32))


def outputs(imported: Imported) -> dict[str | None, np.ndarray]:
    names = [value.name for value in imported.model.graph.outputs]
    return dict(zip(names, run_reference(imported.model, imported.feeds), strict=True))


def test_a_buffer_that_changes_is_an_output() -> None:
    module = Counter()
    imported = from_live(module, X, source="test")
    assert imported.changes == (Change("buffer", "n", "n_after"),)
    found = outputs(imported)
    assert found["n_after"] == 1
    np.testing.assert_array_equal(found["add"], X.numpy() + 1)
    assert module.n == 0


def test_an_input_that_changes_is_an_output_of_a_free_name() -> None:
    imported = from_live(Doubles(), X, source="test")
    assert imported.changes == (Change("input", "x", "x_after_"),)
    np.testing.assert_array_equal(outputs(imported)["x_after_"], 2 * X.numpy())
    np.testing.assert_array_equal(imported.feeds["x"], X.numpy())


def test_what_only_changes_returns_the_change() -> None:
    [cleared] = outputs(from_live(Clears(), X, source="test")).values()
    np.testing.assert_array_equal(cleared[1:], X.numpy()[1:])
    assert not cleared[0].any()


def test_a_weight_that_changes_is_an_output() -> None:
    table = nn.Embedding(5, 3, max_norm=0.5)
    before = table.weight.detach().clone()
    imported = from_live(table, torch.tensor([1, 2]), source="test")
    found = outputs(imported)["weight_after"]
    assert torch.equal(table.weight, before)
    table(torch.tensor([1, 2]))
    np.testing.assert_allclose(found, table.weight.detach().numpy(), rtol=1e-6)


def test_statistics_of_a_batch_at_any_size_of_it() -> None:
    rows = {"input": {0: Dim("rows")}}
    program = torch.export.export(nn.BatchNorm1d(3).train(), (X,), dynamic_shapes=rows)
    imported = from_live(program, source="test")
    twice = torch.cat([X, X + 1])
    found = run_reference(imported.model, {"input": twice.numpy()})
    norm = nn.BatchNorm1d(3).train()
    wanted = [norm(twice), norm.running_mean, norm.running_var, norm.num_batches_tracked]
    assert [change.name for change in imported.changes] == [
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_statistics_of_a_batch_that_are_not_kept() -> None:
    norm = nn.BatchNorm1d(3, track_running_stats=False)
    imported = from_live(norm, X, source="test")
    assert not imported.changes
    [found] = outputs(imported).values()
    np.testing.assert_allclose(found, norm(X).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_a_number_that_is_dynamic_stays_so() -> None:
    class Adds(nn.Module):
        def forward(self, x: Tensor, count: int, mode: str) -> Tensor:
            return x.add_(count)

    anything = {"x": None, "count": Dim.DYNAMIC, "mode": None}
    program = torch.export.export(Adds(), (X, 3, "fast"), dynamic_shapes=anything)
    imported = from_live(program, source="test")
    found = run_reference(imported.model, {**imported.feeds, "count": np.asarray(5)})
    np.testing.assert_array_equal(found[1], X.numpy() + 5)


class Twice(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return z * 2


class Polar(nn.Module):
    """As the refusal of complex inputs and outputs advises."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.view_as_real(torch.view_as_complex(x) * 2j)


def test_complex_inputs_are_refused() -> None:
    with pytest.raises(ModelError, match="takes complex numbers") as caught:
        from_live(Twice(), X.to(torch.complex64), source="test")
    assert caught.value.where == "test, input z"
    assert "view_as_complex" in caught.value.fix


def test_complex_outputs_are_refused() -> None:
    with pytest.raises(ModelError, match="returns complex numbers") as caught:
        from_live(Rfft(), X, source="test")
    assert caught.value.where == "test, output fft_rfft"
    assert "view_as_real" in caught.value.fix


@pytest.mark.parametrize(("module", "x"), [(Polar(), X.reshape(9, 2)), (Spectrum(), X)])
def test_complex_numbers_on_the_way_are_right(module: nn.Module, x: Tensor) -> None:
    [found] = outputs(from_live(module, x, source="test")).values()
    np.testing.assert_allclose(found, module(x).numpy(), rtol=1e-5, atol=1e-5)


def test_other_effects_are_refused() -> None:
    program = torch.export.export(Linear(), (X,))
    program.graph_signature.output_specs[0].kind = OutputKind.TOKEN
    with pytest.raises(ModelError, match="beside returning tensors") as caught:
        changes_of(program, (), "test")
    assert caught.value.where == "test"
