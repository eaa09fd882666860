"""The table of slips fits the code, and the tool that applies them tells one outcome from another.

The slips themselves are tried by `python -m tests.mutants`, all by hand and a sample in CI.
"""

import shlex
from collections import Counter
from dataclasses import replace

import pytest

from tests import mutants
from tests.mutations import Slip, all_slips, slips

ALL = all_slips()


def test_no_slip_is_stale():
    """Where code has changed, its row must follow; and a row that does not compile is no slip."""
    stale = []
    for slip in ALL:
        path = mutants.ROOT / slip.file
        text = mutants.broken(path.read_text(encoding="utf-8"), slip) if path.exists() else None
        if text is None or slip.old == slip.new:
            stale.append(slip.name)
        elif path.suffix == ".py":
            compile(text, slip.file, "exec")
    assert not stale, f"old text not found exactly once: {stale}"


def test_slips_have_names_of_their_own_and_tests_that_exist():
    assert len(ALL) >= 250
    assert [name for name, count in Counter(slip.name for slip in ALL).items() if count > 1] == []
    for slip in ALL:
        paths = [word for word in shlex.split(slip.tests) if word.endswith(".py")]
        assert paths and all((mutants.ROOT / path).exists() for path in paths), slip.name


def test_rows_take_the_tests_of_their_file_or_their_own():
    first, second = slips("optim/ema.py", "a.py", ("x", "1", "2"), ("y", "3", "4", "b.py"))
    assert first == Slip("optim/ema: x", "tinygan/optim/ema.py", "1", "2", "a.py")
    assert second.tests == "b.py"


def test_slips_are_chosen_by_name_or_by_chance():
    some = mutants.choose(ALL, ["optim/ema", "nn/init: gain"], None, 0)
    assert {slip.file for slip in some} == {"tinygan/optim/ema.py", "tinygan/nn/init.py"}
    drawn = [mutants.choose(ALL, [], 9, seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2] and len({slip.name for slip in drawn[0]}) == 9


@pytest.mark.slow
def test_what_is_noticed_is_caught_and_what_is_not_survives(capsys, monkeypatch):
    def with_a_red_test(target, copy_tree=mutants.copy_tree):
        copy_tree(target)
        (target / "tests" / "test_red.py").write_text("def test_red():\n    assert False\n")
        return target

    monkeypatch.setattr(mutants, "copy_tree", with_a_red_test)
    (real,) = (slip for slip in ALL if slip.name == "optim/ema: averages move the other share")
    harmless = real.old + "  # x"
    rows = [
        replace(real, name="noticed"),
        replace(real, name="harmless", new=harmless),
        replace(real, name="stale", old="no such text"),
        replace(
            real, name="no such tests", new=harmless, tests="tests/test_optim.py -k nothing_of_it"
        ),
        replace(real, name="red anyway", new=harmless, tests="tests/test_red.py"),
    ]
    monkeypatch.setattr(mutants, "all_slips", lambda: rows)
    assert mutants.main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    outcomes = ["caught", "SURVIVED", "STALE", "STALE", "caught", "UNFOUNDED"]
    assert [line.split()[0] for line in lines[:6]] == outcomes
    assert lines[5].endswith("red anyway  (tests/test_red.py::test_red)")
    assert lines[6].startswith("5 slips: 1 caught, 1 survived, 2 stale, 1 unfounded")
    assert mutants.main(["noticed"]) == 0
