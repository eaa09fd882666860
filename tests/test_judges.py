"""What judges are trained and tested on, and what the scores of pictures are made of."""

import numpy as np
import pytest
from PIL import Image

from tinygan import data, metrics
from tinygan.metrics import images, judge, train_judge


class Coded(data.Dataset):
    """Pictures of one grey each, different in every item of every split, whose label is `label`."""

    classes, shape = 3, (1, 32, 32)

    def __init__(self, split, label, n=40):
        self.split, self.name, self.n, self.label = split, "coded", n, label

    def __len__(self):
        return self.n

    def batch(self, indices):
        grey = (np.asarray(indices) + 1) / (100 if self.split == "train" else -100)
        x = np.zeros((len(grey), *self.shape), np.float32) + grey[:, None, None, None]
        return {"x": x.astype(np.float32), "label": np.full(len(grey), self.label)}


@pytest.fixture
def trained(monkeypatch):
    """Stands in for the training; notes what it is given. Every judge then says 2."""
    given = []
    monkeypatch.setattr(judge, "train_classifier", lambda net, x, label, **how: given.append(x))
    monkeypatch.setattr(metrics.Judge, "labels", lambda self, x: np.full(len(x), 2))
    return given


@pytest.mark.parametrize(("in_train", "in_test", "accuracy"), [(0, 2, 1.0), (2, 0, 0.0)])
def test_a_judge_is_trained_on_training_data_and_measured_on_test_data(
    in_train, in_test, accuracy, trained
):
    made = metrics.Judge.train(Coded("train", in_train), Coded("test", in_test))
    assert made.accuracy == accuracy
    assert len(trained) == 1 and len(trained[0]) == 40 and (trained[0] > 0).all()


def test_the_command_trains_on_the_training_split(trained, monkeypatch, tmp_path, capsys):
    labels = {"train": 0, "test": 2}
    monkeypatch.setattr(train_judge.data, "open", lambda name, split: Coded(split, labels[split]))
    monkeypatch.setattr("sys.argv", ["train_judge", "--out", str(tmp_path / "j.safetensors")])
    train_judge.main()
    assert (trained[0] > 0).all() and "accuracy 100.00%" in capsys.readouterr().out


def test_a_judge_for_any_data_is_tested_on_what_is_given(trained, monkeypatch, tmp_path):
    monkeypatch.setenv("TINYGAN_CACHE", str(tmp_path))
    assert metrics.Judge.of(Coded("train", 0), Coded("test", 2)).accuracy == 1.0
    assert (trained[0] > 0).all()


def test_labels_of_a_folder_are_divided_with_its_files(tmp_path):
    """Each class has one grey; whatever part of the folder is taken, the label fits the picture."""
    for kind, grey in (("dark", 0), ("light", 255)):
        (tmp_path / kind).mkdir()
        for i in range(20 if kind == "dark" else 30):
            Image.new("L", (4, 4), grey).save(tmp_path / kind / f"{i}.png")
    for how in ({}, {"n": 30}, {"split": "test"}, {"split": "train", "skip_damaged": True}):
        part = data.open(str(tmp_path), how.pop("split", "train"), **how)
        batch = part.take(len(part))
        np.testing.assert_array_equal(batch["x"][:, 0, 0, 0], 2.0 * batch["label"] - 1)
        assert set(batch["label"]) == {0, 1}


# -- what a score is made of -----------------------------------------------------------------------


class Grey:
    """A judge that sees the mean and the spread of the grey; its class is the mean's sign."""

    classes, channels = 2, 1

    def features(self, x):
        return np.stack([x.mean((1, 2, 3)), x.std((1, 2, 3))], 1).astype(np.float32)

    def probabilities(self, x):
        p = 1 / (1 + np.exp(-40 * x.mean((1, 2, 3))))
        return np.stack([1 - p, p], 1)

    def labels(self, x):
        return self.probabilities(x).argmax(1)


def pictures(n, seed, shift=0.0, spread=1.0):
    """Noise about a grey of its own for each picture."""
    random = np.random.default_rng(seed)
    grey = spread * 0.3 * random.standard_normal((n, 1, 1, 1)) + shift
    contrast = 0.1 + 0.1 * random.random((n, 1, 1, 1))
    x = grey + contrast * random.standard_normal((n, 1, 8, 8))
    return x.astype(np.float32)


def test_each_figure_of_a_score_is_what_it_says():
    real = data.ArrayDataset("grey", pictures(400, 0))
    samples, grey = pictures(200, 1, shift=0.2, spread=0.5), Grey()
    out = metrics.score_images(samples, real, grey)
    half, other = real.take(400)["x"][::2], real.take(400)["x"][1::2]
    f_half, f_other, f_fake = (grey.features(x) for x in (half, other, samples))
    assert out["n"] == 200
    assert out["frechet"] == pytest.approx(metrics.frechet_distance(f_half, f_fake))
    assert out["frechet_floor"] == pytest.approx(metrics.frechet_distance(f_half, f_other))
    collapsed = [
        metrics.frechet_distance(f_half, grey.features(images._collapsed(half, i, 200)))
        for i in range(8)
    ]
    assert out["frechet_ceiling"] == pytest.approx(np.mean(collapsed))
    assert out["frechet_floor"] < out["frechet"] < out["frechet_ceiling"]
    assert out["frechet_share"] == pytest.approx(out["frechet"] / np.mean(collapsed))
    shares = metrics.precision_recall_density_coverage(f_half, f_fake)
    assert {name: out[name] for name in shares} == shares
    assert out["precision"] > out["recall"]  # the samples are narrower than the data
    within = [metrics.within_class_diversity(f, grey.labels(x))
              for f, x in ((f_fake, samples), (f_half, half))]  # fmt: skip
    assert out["diversity"] == pytest.approx(within[0] / within[1]) and out["diversity"] < 0.9
    share = float((grey.labels(samples) == 1).mean())
    assert out["classes"] == pytest.approx([1 - share, share])
    assert out["smallest_class"] == pytest.approx(min(1 - share, share))
    sure = grey.probabilities(samples).max(1) >= 0.9
    assert out["confident"] == pytest.approx(sure.mean()) and 0.3 < out["confident"] < 0.95
    energy = metrics.laplacian_energy
    assert out["sharpness"] == pytest.approx(energy(samples) / energy(half))
