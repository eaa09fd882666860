"""Slips in data sets, the loader, and files."""

from . import slips

DATA = "tests/test_data.py"

SLIPS = [
    *slips(
        "data/loader.py", "tests/test_data.py tests/test_loop.py -k 'loader or order or batch or position or draws or epoch'",
        ("key from the noise", "(generator or stream(\"data\")).integers(0, 2**62, ())", "(generator or stream(\"noise\")).integers(0, 2**62, ())"),
        ("the same order in every epoch", "np.random.SeedSequence([self._key, epoch])", "np.random.SeedSequence([self._key, 0])"),
        ("not shuffled", "        if not self.shuffle:\n            return np.arange(n)", "        if True:\n            return np.arange(n)"),
        ("incomplete batches too", "full = position + (self.batch_size if self.drop_last else 1) > n", "full = position + 1 > n"),
        ("position not restored", "        self._start(state[\"epoch\"], state[\"position\"])", "        self._start(state[\"epoch\"], 0)"),
        ("key not restored", "        self._key = state[\"key\"]\n", ""),
        ("batches in an epoch", "return whole + (rest > 0 and not self.drop_last)", "return whole + (rest > 0)"),
    ),
    *slips(
        "data/folder.py", "tests/test_judges.py tests/test_data.py -k 'folder or labels or class or damaged'",
        ("labels not divided with the files", "for file in self.files]\n            self._labels", "for file in files]\n            self._labels"),
        ("test files are the training ones", "rows = np.arange(len(files)) if parts else held_out(len(files), split)", "rows = np.arange(len(files)) if parts else held_out(len(files), \"train\")"),
        ("hidden files count", "if name.lower().endswith(SUFFIXES) and not name.startswith(\".\"):", "if name.lower().endswith(SUFFIXES):"),
        ("large letters do not count", "name.lower().endswith(SUFFIXES)", "name.endswith(SUFFIXES)"),
        ("classes of this split only", "names = _classes({base: files, **{p: pictures(p) for p in parts.values() if p != base}})", "names = _classes({base: files})"),
    ),
    *slips(
        "data/dataset.py", DATA,
        ("bytes to 0 … 1", "    out /= np.float32(127.5)\n    out -= 1\n", "    out /= np.float32(255)\n"),
        ("test part within the training part", "return np.sort(order[:cut] if split == \"test\" else order[cut:])", "return np.sort(order[:cut] if split == \"test\" else order)"),
        ("labels of other rows", "rows = indices if self._rows is None else self._rows[indices]", "rows = indices"),
        ("take the first ones", "np.arange(n, dtype=np.int64) * len(self) // max(n, 1)", "np.arange(n, dtype=np.int64)", "tests/test_data_geometry.py"),
        ("colours weighted alike", "np.array([0.299, 0.587, 0.114], x.dtype)", "np.array([0.333, 0.333, 0.334], x.dtype)"),
    ),
    *slips(
        "data/resize.py", "tests/test_data_geometry.py",
        ("half a pixel off", "centre = (np.arange(after) + 0.5) * scale - 0.5", "centre = np.arange(after) * scale"),
        ("no mean when made smaller", "/ max(scale, 1)\n", "\n"),
        ("corner instead of the middle", "top, left = (height - side) // 2, (width - side) // 2", "top, left = 0, 0"),
    ),
    *slips(
        "data/mixtures.py", DATA,
        ("test and training points alike", "zlib.crc32(name.encode()), zlib.crc32(split.encode())])", "zlib.crc32(name.encode())])"),
        ("labels of other modes", "        centre = modes[label]\n", "        centre = modes[::-1][label]\n"),
    ),
    *slips(
        "data/digits.py", DATA + " -k digit",
        ("test and training digits alike", "zlib.crc32(b\"digits\"), zlib.crc32(split.encode())])", "zlib.crc32(b\"digits\")])"),
        ("turned the other way", "np.cos(theta), np.sin(theta), -np.sin(theta), np.cos(theta))", "np.cos(theta), -np.sin(theta), np.sin(theta), np.cos(theta))", "tests/test_data_geometry.py"),
    ),
    *slips(
        "data/table.py", "tests/test_fit_gmm.py",
        ("the line of names is a point", "            if not numbers:\n                continue\n", ""),
        ("gaps are filled with 0", "            value = np.nan", "            value = 0.0"),
        ("infinite points", "        if not np.isfinite(value):", "        if np.isnan(value):"),
    ),
    *slips(
        "io.py", "tests/test_io.py",
        ("not atomic", "    temporary = path.with_name(f\".{path.name}.{os.getpid()}.part\")\n", "    temporary = path\n"),
        ("not flushed to the disk", "            os.fsync(file.fileno())\n        os.replace", "        os.replace", "tests/test_io.py tests/test_resume.py -k 'sync or disk or crash or atomic'"),
        ("order of memory in the file", "arrays[name] = np.asarray(value.numpy(), order=\"C\")", "arrays[name] = value.numpy().ravel(order=\"K\").reshape(value.shape)"),
        ("two tensors of one name", "        if name in arrays:\n            raise ValueError(", "        if False:\n            raise ValueError("),
        ("strings that look like tensors", "    if isinstance(value, str) and value.startswith(_TENSOR):\n        raise", "    if False:\n        raise"),
    ),
]  # fmt: skip
