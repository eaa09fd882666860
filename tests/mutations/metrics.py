"""Slips in scores and judges."""

from . import slips

METRICS = "tests/test_metrics.py"
SCORES = "tests/test_judges.py"

SLIPS = [
    *slips(
        "metrics/judge.py", SCORES,
        ("trained on test data", "        batch = train.take(_ENOUGH)\n", "        batch = test.take(_ENOUGH)\n"),
        ("accuracy on training data", "        held = test.take(_ENOUGH)\n", "        held = train.take(_ENOUGH)\n"),
        ("the test set of `of` unused", "Judge.train(train, test or train, steps=600, log=log)", "Judge.train(train, train, steps=600, log=log)"),
        ("never from the cache", "            return Judge.load(path)\n        judge = Judge.train", "            raise OSError\n        judge = Judge.train", METRICS + " -k any_data"),
        ("probabilities are logits", "softmax(self.network(part), dim=1)", "self.network(part)", METRICS + " -k what_a_judge"),
    ),
    *slips(
        "metrics/train_judge.py", SCORES,
        ("splits swapped", "for split in (\"train\", \"test\")]", "for split in (\"test\", \"train\")]"),
    ),
    *slips(
        "metrics/training.py", "tests/test_metrics.py -k 'leaves_the_run or transfer'",
        ("randomness not put back", "        restore_random_state(saved)", "        pass"),
        ("labels of other pictures", "tensor(labels[chosen])", "tensor(labels[chosen[::-1]])"),
    ),
    *slips(
        "metrics/codes.py", "tests/test_conditional_games.py -k naming",
        ("any naming", "counts[linear_sum_assignment(counts, maximize=True)].sum()", "counts.diagonal().sum()"),
    ),
    *slips(
        "metrics/images.py", SCORES,
        ("share against the floor", "out[\"frechet_share\"] = out[\"frechet\"] / out[\"frechet_ceiling\"]", "out[\"frechet_share\"] = out[\"frechet\"] / out[\"frechet_floor\"]"),
        ("diversity inverted", "within_class_diversity(f_fake, labels) / self.real_diversity", "self.real_diversity / within_class_diversity(f_fake, labels)"),
        ("floor of the data with itself", "distance(self.f_real, f_other)", "distance(self.f_real, self.f_real)"),
        ("ceiling of the least collapsed", "float(np.mean(ceiling))", "float(np.max(ceiling))"),
        ("precision and recall exchanged", "precision_recall_density_coverage(self.f_real, f_fake)", "precision_recall_density_coverage(f_fake, self.f_real)"),
        ("smallest class is the largest", "float(shares.min())", "float(shares.max())"),
        ("confidence in any class", "(p.max(1) >= _CONFIDENT)", "(p.min(1) >= _CONFIDENT)"),
        ("sharpness inverted", "laplacian_energy(samples) / laplacian_energy(self.real)", "laplacian_energy(self.real) / laplacian_energy(samples)"),
        ("laplacian without its middle", "np.mean((around - 4 * middle) ** 2", "np.mean((around - middle) ** 2", METRICS + " -k laplacian"),
    ),
    *slips(
        "metrics/coverage.py", METRICS + " -k 'balls or coverage'",
        ("recall as precision", "\"recall\": float(in_fake.mean())", "\"recall\": float((in_real > 0).mean())"),
        ("coverage as recall", "\"coverage\": float(covered.mean())", "\"coverage\": float(in_fake.mean())"),
        ("density without k", "float(in_real.sum() / (k * len(fake)))", "float(in_real.sum() / len(fake))"),
        ("balls of the next neighbour", "np.partition(squared, k, axis=1)[:, k]", "np.partition(squared, k - 1, axis=1)[:, k - 1]"),
    ),
    *slips(
        "metrics/diversity.py", METRICS + " -k 'diversity or copies'",
        ("pairs with themselves count", "means.append(total / (n * (n - 1)))", "means.append(total / (n * n))"),
        ("all classes as one", "own = x[labels == label]", "own = x"),
        ("every sample repeats itself", "        squared[np.arange(len(own)), own] = np.inf\n", ""),
        ("distance to another one", "np.linalg.norm(x[part] - y[index[part]], axis=1)", "np.linalg.norm(x[part] - y[: len(x[part])], axis=1)"),
    ),
    *slips(
        "metrics/frechet.py", METRICS + " -k 'frechet or kid or kernel or distance'",
        ("means left out", "d = ((mu_a - mu_b) ** 2).sum() + np.trace", "d = np.trace"),
        ("the root twice", "- 2 * cross", "- cross"),
        ("covariance biased", "return x.T @ x / (len(x) - 1)", "return x.T @ x / len(x)"),
        ("kid biased", "[(_kernel_sum(x, x) - _own_sum(x)) / (len(x) * (len(x) - 1)) for x in (a, b)]", "[_kernel_sum(x, x) / len(x) ** 2 for x in (a, b)]"),
        ("kernel's degree", "((x[i : i + _BLOCK] @ y.T / width + 1) ** 3).sum()", "((x[i : i + _BLOCK] @ y.T / width + 1) ** 2).sum()"),
    ),
    *slips(
        "metrics/mixture.py", METRICS,
        ("two sigma", "good = distance.min(1) <= 3 * sigma", "good = distance.min(1) <= 2 * sigma"),
        ("share of those reached", "\"share\": reached / len(x),", "\"share\": 1.0,"),
        ("divergence the other way", "np.sum(p[p > 0] * np.log(k * p[p > 0]))", "-np.sum(np.log(k * p[p > 0])) / k"),
        ("unsorted projections", "a, b = np.sort(a @ theta, axis=0), np.sort(b @ theta, axis=0)", "a, b = a @ theta, b @ theta"),
        ("any mode counts", "(p >= least_share / k).sum()", "(p > 0).sum()"),
    ),
    *slips(
        "metrics/transfer.py", METRICS + " -k transfer",
        ("tested on what it was trained on", "return float((np.concatenate(parts) == test_labels).mean())", "return float((np.concatenate(parts) == np.concatenate(parts)).mean())"),
    ),
    *slips(
        "metrics/rows.py", METRICS,
        ("cross term once", "        out *= -2\n", "        out *= -1\n"),
        ("infinities pass", "    bad = ~np.isfinite(x).all(1)", "    bad = np.isnan(x).any(1)"),
    ),
]  # fmt: skip
