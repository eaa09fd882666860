"""Slips in the loop, its callbacks, checkpoints, the doctor, and what is printed of scores."""

from . import slips

LOOP = "tests/test_loop.py"

SLIPS = [
    *slips(
        "train/loop.py", LOOP,
        ("averages never updated", "            average.update()\n", "            pass\n"),
        ("schedules never stepped", "            schedule.step()\n", "            pass\n"),
        ("samples of the last weights", "                stack.enter_context(average.applied())\n", "                pass\n"),
        ("the discriminator is averaged too", "for name in system.sampled} if ema", "for name in system.modules} if ema"),
        ("loader's place not restored", "        self.loader.restore(state[\"loader\"])\n", "", "tests/test_resume.py -k 'stopped_run_ends or older'"),
        ("random streams not restored", "        restore_random_state(checkpoint.restorable(state[\"random\"]))\n", "", "tests/test_resume.py tests/test_likelihood.py -k 'bit_for_bit or stopped_run_ends or older'"),
        ("callbacks not restored", "                callback.restore(state[\"callbacks\"][callback.name])", "                pass", "tests/test_resume.py tests/test_likelihood.py -k 'bit_for_bit or stopped_run_ends or older'"),
        ("averages not restored", "for part, own in ((\"average\", self.average), (\"schedules\", self.schedules)):", "for part, own in ((\"schedules\", self.schedules),):", "tests/test_resume.py -k 'stopped_run_ends or older'"),
    ),
    *slips(
        "train/rates.py", LOOP,
        ("cosine inverted", "(1 + math.cos(math.pi * part)) / 2", "(1 - math.cos(math.pi * part)) / 2"),
        ("late falls at once", "min(1.0, 2 - 2 * part)", "1 - part"),
        ("linear rises", "\"linear\": lambda part: 1 - part,", "\"linear\": lambda part: part,"),
    ),
    *slips(
        "train/callbacks.py", LOOP,
        ("losses summed", "return {name: math.fsum(v) / len(v) for name, v in values.items()}", "return {name: math.fsum(v) for name, v in values.items()}"),
        ("only the last loss", "return {name: math.fsum(v) / len(v) for name, v in values.items()}", "return {name: v[-1] for name, v in values.items()}"),
        ("losses of all steps so far", "        self.pending = []\n        return", "        return"),
        ("pictures of the last weights", "        with run.averaged():\n            made = run.system.sample(self.z)", "        if True:\n            made = run.system.sample(self.z)"),
        ("due one step late", "(every > 0 and run.step % every == 0)", "(every > 0 and run.step % every == 1)", LOOP + " tests/test_train.py -k 'mean_of or leaves_all'"),
    ),
    *slips(
        "train/finish.py", LOOP,
        ("study of training data", "test = dataset(options, \"test\")", "test = dataset(options, \"train\")"),
        ("scores of the last weights", "    with trainer.averaged():\n        made = trainer.system.sample(", "    if True:\n        made = trainer.system.sample("),
        ("the score's noise goes on", "    purpose.restore(before)\n", ""),
    ),
    *slips(
        "train/resume.py", LOOP + " -k rate",
        ("a changed rate forgets its schedule", "        schedule.rebase(lr)\n", "        pass\n"),
    ),
    *slips(
        "train/score.py", LOOP + " -k score",
        ("recall printed as precision", "line(\"precision: samples among the data\", \"precision\")", "line(\"precision: samples among the data\", \"recall\")"),
        ("floor and ceiling swapped", "s[\"frechet_floor\"], s[\"frechet_ceiling\"]", "s[\"frechet_ceiling\"], s[\"frechet_floor\"]"),
        ("the kernel distance's floor is Fréchet's", "s[\"kid_floor\"]", "s[\"frechet_floor\"]"),
        ("sharpness as diversity", "line(\"sharpness, real = 1\", \"sharpness\")", "line(\"sharpness, real = 1\", \"diversity\")"),
    ),
    *slips(
        "train/doctor.py", "tests/test_train.py -k doctor",
        ("says it at once", "        return self.counts[key] >= times", "        return self.counts[key] >= 1"),
        ("never calms down", "self.counts.get(key, 0) + 1 if present else 0", "self.counts.get(key, 0) + 1 if present else self.counts.get(key, 0)"),
        ("repeats itself", "        if key in self.said:\n            return []", "        if False:\n            return []"),
        ("blind to collapse", "spread < 0.25, times=2)", "spread < 0.0, times=2)"),
        ("its memory is not restored", "        self.said, self.counts = list(state[\"said\"]), dict(state[\"counts\"])", "        self.said, self.counts = [], {}"),
        ("compares gradients with nothing", "norm > 1e3 * max(usual, 1e-6) or norm > 1e8", "norm > 1e8", "tests/test_train.py -k gradients"),
        ("infinite weights are healthy", "xp.isfinite(tensor.array).all()", "~xp.isnan(tensor.array).any()", "tests/test_train.py -k 'not_numbers or nan'"),
    ),
    *slips(
        "train/checkpoint.py", "tests/test_resume.py -k 'foreign or older or cut_short or crafted'",
        ("checksums unread", "    if notes.get(\"checksum\") != str(checksum(state)):", "    if False:"),
        ("checksums without shapes", "kind = f\"tensor {array.dtype} {tuple(value.shape)}\"", "kind = f\"tensor {array.dtype}\""),
        ("keeps one too many", "if number(p) <= step][:-keep]:", "if number(p) <= step][: -keep - 1]:", "tests/test_train.py -k kept"),
        ("the oldest is the newest", "    for candidate in reversed(found):", "    for candidate in found:"),
    ),
    *slips(
        "train/sampling.py", "tests/test_train.py -k 'sample or interpolation'",
        ("straight ways", "    straight = np.sin(omega) < 1e-4", "    straight = np.sin(omega) < 2"),
        ("average weights left out", "if average else ():", "if not average else ():"),
    ),
    *slips(
        "train/log.py", "tests/test_train.py tests/test_resume.py -k 'log'",
        ("NaN written as it is", "    if isinstance(value, float) and not math.isfinite(value):\n        return None", "    if False:\n        return None"),
        ("later lines kept", "content, lost = content[: state[\"length\"]], None", "content, lost = content, None"),
    ),
    *slips(
        "train/pictures.py", "tests/test_train.py -k 'grid or film or picture'",
        ("scaled by what is in it", "(np.nan_to_num(images) + 1) * 127.5", "(np.nan_to_num(images) - images.min()) * 127.5"),
        ("rows and columns swapped", "y, x = divmod(i, columns)", "x, y = divmod(i, rows)"),
    ),
    *slips(
        "parallel/share.py", "tests/test_parallel.py",
        ("gradients added up, not averaged", "            flat /= self.group.size\n", ""),
        ("changed gradients are not sent again", "if flat is None or not all(map(_same, then, row.gradients())):", "if flat is None:"),
        ("nobody waits", "        noted(self.group.wait)\n        known", "        known"),
        ("a row sets out before it is complete", "        if not row.missing:\n", "        if True:\n"),
        ("a row sets out once", "            row.missing = set(row.parameters)\n", ""),
        ("sums that nobody asked for are not waited for", "                noted(self.group.wait)\n            row.sent", "                pass\n            row.sent"),
        ("the weights of each process are its own", "            group.follow(same)\n", ""),
        ("rows mix parameters", "start, stop = stop, stop + p.grad.array.size", "start, stop = 0, p.grad.array.size"),
    ),
    *slips(
        "nn/norm.py", "tests/test_parallel.py",
        ("a variance that is biased", "n / max(n - 1, 1)", "1"),
        ("the mean of one process alone", "mean = self.group.total(x.mean(dims, keepdims=True)) / self.group.size", "mean = x.mean(dims, keepdims=True)"),
    ),
    *slips(
        "models/system.py", "tests/test_parallel.py",
        ("all processes have the same noise", "return z if of == 1 else z[n * which : n * (which + 1)]", "return z[:n]"),
    ),
    *slips(
        "data/loader.py", "tests/test_parallel.py",
        ("shares overlap", "own = slice(len(indices) * which // of, len(indices) * (which + 1) // of)", "own = slice(0, len(indices) // of)"),
    ),
]  # fmt: skip
