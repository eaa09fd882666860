"""PyTorch's own samples: every operation of ours gives PyTorch's values, derivatives and dtypes."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest")  # PyTorch's module of samples imports it

from tests.op_db import report, run


@pytest.mark.torch
def test_samples_of_pytorch():
    tallies = run()
    amiss = {n: t for n, t in tallies.items() if t.wrong or t.unreadable}
    assert not amiss, report(amiss)
    accepted = sum(t.accepted for t in tallies.values())
    refused = sum(t.refused.total() for t in tallies.values())
    assert accepted > 5000, "too few samples to mean anything"
    assert refused <= 0.05 * (accepted + refused), report(tallies)
