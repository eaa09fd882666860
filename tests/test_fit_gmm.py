"""examples/fit_gmm.py, and the tables that it reads."""

import os
import re

import numpy as np
import pytest

from tests.test_command_line import example
from tinygan import data


def run(monkeypatch, tmp_path, *arguments):
    monkeypatch.chdir(tmp_path)
    return example("fit_gmm").main(list(arguments))


@pytest.fixture
def points(tmp_path):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(m, 1, (60, 4)) for m in (-6, 0, 6)])
    np.savetxt(tmp_path / "named.csv", x, delimiter=",", header="a,b,c,d", comments="")
    np.savetxt(tmp_path / "plain.txt", x)
    np.savetxt(tmp_path / "semicolons.csv", x, delimiter=";")
    np.save(tmp_path / "array.npy", x)
    np.savez_compressed(tmp_path / "called.npz", labels=np.arange(180), data=x)
    return x


@pytest.mark.parametrize(
    "name", ["named.csv", "plain.txt", "semicolons.csv", "array.npy", "called.npz"]
)
def test_a_table_is_read_from_the_usual_files(points, tmp_path, name):
    read = data.table(tmp_path / name)
    assert read.shape == (180, 4) and read.dtype == np.float64
    np.testing.assert_array_equal(read, points)


def test_tables_of_other_shapes(tmp_path):
    np.savez(tmp_path / "one.npz", anything=np.arange(5.0))
    assert data.table(tmp_path / "one.npz").shape == (5, 1)  # points on a line
    (tmp_path / "quoted.csv").write_text('\ufeff"x, in m","y"\n\n"1", 2e3\n-3 ,.5\n', "utf-8")
    assert data.table(tmp_path / "quoted.csv").tolist() == [[1, 2000], [-3, 0.5]]


WRONG = {
    "gap.csv": ("a,b\n1,2\n3,\n", "line 3, column 'b' is empty: remove rows with missing values"),
    "na.csv": ("a;b\n1;2\n\n3;NA\n", "line 4, column 'b' holds 'NA': remove rows with missing"),
    "first.csv": ("1,,3\n1,2,3\n", "line 1, column '2' is empty"),
    "inf.csv": ("1,2\n1,inf\n", "line 2, column '2' holds 'inf'"),
    "text.csv": ("a,kind\n1,setosa\n", "line 2, column 'kind' holds 'setosa', which is no number"),
    "comma.csv": ("a;b\n1,5;2,5\n", "column 'a' holds '1,5', which is no number"),
    "ragged.csv": ("a,b\n1,2\n3,4,5\n", "line 3 has 3 values, the first line has 2"),
    "names.csv": ("a,b\n", "holds no rows of numbers"),
    "empty.csv": ("", "is empty"),
    "binary.csv": ("1,2\n\0\0", r"is no table; expected a \.npy, a \.npz or a \.csv"),
    "nan.npy": (np.array([[0, 1], [2, np.nan]]), r"row 1, column 1 .* holds nan; .*: 1 of 2"),
    "image.npy": (np.zeros((3, 4, 5)), r"of shape \(3, 4, 5\); expected numbers \(n, d\)"),
    "complex.npy": (np.zeros((3, 2), complex), "holds complex128"),
    "two.npz": ({"a": np.zeros(3), "b": np.ones(3)}, "should be called x, X, data, arr_0"),
}


def write(path, content):
    if isinstance(content, str):
        path.write_text(content, "utf-8")
    else:
        np.savez(path, **content) if isinstance(content, dict) else np.save(path, content)


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_table_is_named(tmp_path, name, monkeypatch, capsys):
    content, message = WRONG[name]
    write(tmp_path / name, content)
    with pytest.raises(data.DataError, match=message):
        data.table(tmp_path / name)
    assert run(monkeypatch, tmp_path, "--data", name) == 1
    complaint = capsys.readouterr().err
    assert complaint.startswith(f"error: {name}: ") and complaint.count("\n") == 1


def test_latin_1_pipes_and_bombs_are_refused(tmp_path, monkeypatch):
    (tmp_path / "latin.csv").write_bytes("größe\n1\n".encode("latin-1"))
    with pytest.raises(data.DataError, match="no text in UTF-8"):
        data.table(tmp_path / "latin.csv")
    with pytest.raises(data.DataError, match="No such file"):
        data.table(tmp_path / "nothing.csv")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.csv")
        with pytest.raises(data.DataError, match="a pipe"):
            data.table(tmp_path / "pipe.csv")
    (tmp_path / "large.csv").write_text("1,2\n" * 600)
    monkeypatch.setenv("TINYGAN_MAX_GB", "1e-6")
    with pytest.raises(data.DataError, match="TINYGAN_MAX_GB"):
        data.table(tmp_path / "large.csv")


@pytest.mark.parametrize("name, d", [("named.csv", 4), ("line.npy", 1)])
@pytest.mark.parametrize("covariance", ["full", "spherical"])
def test_points_of_any_dimension_are_fitted_and_shown(
    points, tmp_path, name, d, covariance, monkeypatch, capsys
):
    np.save(tmp_path / "line.npy", points[:, 0])
    arguments = ["--components", "3", "--steps", "2", "--covariance", covariance, "--out", "out"]
    folder = tmp_path / "out" / name.split(".")[0]
    folder.mkdir(parents=True)
    for kept in ("step-notes.png", "mine.png"):
        (folder / kept).write_text("not of this program")
    (folder / "step-07a.png").write_text("of a longer fit")
    assert run(monkeypatch, tmp_path, "--data", name, *arguments) == 0
    assert "log p(x)" in capsys.readouterr().out
    made = {"em.gif", "step-00.png", "step-01a.png", "step-01b.png", "step-02a.png", "step-02b.png"}
    assert {path.name for path in folder.iterdir()} == made | {"step-notes.png", "mine.png"}


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("--components 0", "expected a whole number from 1"),
        ("--components 999999999", "pictures show up to 1,000 components"),
        ("--components 5 --data few.npy", "has 3 points"),
        ("--seed -1", "expected a whole number from 0"),
        ("--steps 0", "expected a whole number from 1"),
        ("--data digits", "is not for this example; .* grid, ring"),
        ("--data gird", "no such file, and none of the built-in sets"),
        ("--data few.npy --out few.npy --components 1", "cannot be written to few.npy.*--out"),
        ("--data huge.npy --components 2", "too large to square"),
    ],
)
def test_one_message_and_no_traceback(arguments, message, tmp_path, monkeypatch, capsys):
    np.save(tmp_path / "few.npy", np.eye(3))
    np.save(tmp_path / "huge.npy", np.eye(3) * 1e200)
    try:
        status = run(monkeypatch, tmp_path, *arguments.split())
    except SystemExit as error:
        status = error.code
    complaint = capsys.readouterr().err.strip().splitlines()[-1]
    assert status in (1, 2) and "error: " in complaint
    assert re.search(message, complaint), complaint
