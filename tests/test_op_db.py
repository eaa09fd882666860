"""PyTorch's own samples: every operation of ours gives PyTorch's values, derivatives and dtypes."""

import pytest

pytest.importorskip("torch")

from tests.op_db import report, run

BEING_MENDED = {
    "addmv", "addr", "all", "any", "arange", "argsort", "baddbmm", "cdist", "cumsum", "einsum",
    "flip", "linspace", "normal", "sort", "square", "squeeze", "std_mean", "topk", "var_mean",
}  # fmt: skip


@pytest.mark.torch
def test_samples_of_pytorch():
    tallies = run()
    amiss = {
        n: t for n, t in tallies.items() if (t.wrong or t.unreadable) and n not in BEING_MENDED
    }
    assert not amiss, report(amiss)
    right = sum(t.right for t in tallies.values())
    accepted = sum(t.accepted for t in tallies.values())
    refused = sum(t.refused.total() for t in tallies.values())
    assert accepted > 4000, "too few samples to mean anything"
    assert right >= 0.96 * accepted and refused <= 0.1 * (accepted + refused)
