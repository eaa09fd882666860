"""Break tinygan on purpose, one slip at a time, and see whether the tests notice.

    python -m tests.mutants                       all of them
    python -m tests.mutants optim/ "nn/norm: eps"  those whose names begin so
    python -m tests.mutants --sample 25 --seed 3  some, drawn by chance
    python -m tests.mutants --list

The slips are in `tests/mutations/`. Each is applied to a copy of the tree, where the tests it names
run without PyTorch and scikit-learn, so that what catches it is the README's own test command. A
slip that survives is a test that is missing: the exit status is then 1, as it is for a row that is
stale, because its text is no longer found exactly once or its tests are no longer there, and for
one that is unfounded, because the test that noticed it fails without it, too.
"""

import argparse
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutations import all_slips

ROOT = Path(__file__).parent.parent
KINDS = CAUGHT, SURVIVED, STALE, UNFOUNDED = "caught", "SURVIVED", "STALE", "UNFOUNDED"
PATIENCE = 300  # seconds: tests that hang have noticed something
HIDING = """
from importlib.machinery import PathFinder

find = PathFinder.find_spec


class Others:
    def find_spec(self, name, *rest):
        return None if name.partition(".")[0] in ("torch", "sklearn") else find(name, *rest)


PathFinder.find_spec = Others().find_spec
"""


def copy_tree(target: Path) -> Path:
    """The files of the project, as git lists them, and a module that hides other libraries."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    (target / "hidden").mkdir()
    (target / "hidden" / "sitecustomize.py").write_text(HIDING)
    # Compiled files that Python compares with their source by content: two versions of a file may
    # be written within a second, and be of one size.
    compiling = ["compileall", "-q", "--invalidation-mode", "checked-hash", "tinygan"]
    subprocess.run([sys.executable, "-m", *compiling], cwd=target, check=True)
    return target


def broken(text: str, slip) -> str | None:
    """The text with the slip in it; None where it does not fit."""
    return text.replace(slip.old, slip.new) if text.count(slip.old) == 1 else None


def pytest(arguments, tree: Path, patience=PATIENCE) -> tuple[int, str, list[str]]:
    """Run tests of a copy of the tree, which finds its own package and no hidden library: pytest's
    exit status, what it printed, and the tests that failed."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tree / "hidden"), str(tree)]),
        "TINYGAN_THREADS": os.environ.get("TINYGAN_THREADS", "1"),
    }
    notes = tree / "notes"
    shutil.rmtree(notes, ignore_errors=True)
    command = [sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={notes}", *arguments]
    done = subprocess.run(
        command, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True, timeout=patience
    )
    failed = notes / "v" / "cache" / "lastfailed"
    names = list(json.loads(failed.read_text())) if failed.exists() else []
    return done.returncode, done.stdout, names


def attempt(slip, tree: Path) -> tuple[str, list[str]]:
    """Apply the slip in this copy of the tree, run its tests, take it back: the outcome, and the
    test that noticed."""
    path = tree / slip.file
    original = path.read_text(encoding="utf-8") if path.exists() else ""
    text = broken(original, slip)
    if text is None:
        return STALE, []
    path.write_text(text, encoding="utf-8")
    try:
        status, _, noticed = pytest(["-x", *shlex.split(slip.tests)], tree)
    except subprocess.TimeoutExpired:
        return CAUGHT, []
    finally:
        path.write_text(original, encoding="utf-8")
    # pytest's exit statuses: 0 passed, 1 failed, 2 could not be collected; others: no such tests
    outcome = {0: SURVIVED, 1: CAUGHT, 2: CAUGHT}.get(status, STALE)
    return outcome, noticed if status == 1 else []


def require_collected(chosen, tree: Path) -> None:
    """Stop where tests cannot even be collected as they are: that would pass for noticing."""
    words = {word for slip in chosen for word in shlex.split(slip.tests)}
    paths = sorted(word for word in words if (tree / word).exists())
    status, output, _ = pytest(["--collect-only", *paths], tree)
    if status:
        raise SystemExit(f"the tests cannot be collected\n{output[-2000:]}")


def run(chosen, jobs=2, report=print) -> Counter:
    """Try the slips, several side by side, each in its copy of the tree; counts the outcomes."""
    outcomes, witnesses = Counter(), {}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = [copy_tree(Path(folder) / str(i)) for i in range(jobs)]
        require_collected(chosen, copies[0])
        trees = SimpleQueue()
        for tree in copies:
            trees.put(tree)

        def one(slip):
            tree, start = trees.get(), time.perf_counter()
            try:
                return slip, *attempt(slip, tree), time.perf_counter() - start
            finally:
                trees.put(tree)

        with ThreadPoolExecutor(jobs) as pool:
            for slip, outcome, noticed, seconds in pool.map(one, chosen):
                outcomes[outcome] += 1
                where = "" if outcome == CAUGHT else f"  ({slip.tests})"
                report(f"{outcome:9}{seconds:6.1f} s  {slip.name}{where}")
                for test in noticed:
                    witnesses.setdefault(test, []).append(slip)
        # Does what noticed a slip pass without it?
        _, _, red = pytest(sorted(witnesses), copies[0], None) if witnesses else (0, "", [])
        for test in red:
            for slip in witnesses.get(test, ()):
                outcomes.update({CAUGHT: -1, UNFOUNDED: 1})
                report(f"{UNFOUNDED:9}  {slip.name}  ({test})")
    return outcomes


def choose(slips, names, sample, seed):
    """Those whose names begin with one of `names`, or some of them by chance."""
    if names:
        slips = [slip for slip in slips if slip.name.startswith(tuple(names))]
    if sample is not None:
        slips = random.Random(seed).sample(slips, min(sample, len(slips)))
    return slips


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description="Break tinygan on purpose and see whether the tests notice.",
    )
    parser.add_argument("names", nargs="*", help="how the names of the slips to try begin")
    parser.add_argument("--sample", type=int, metavar="N", help="try N of them, drawn by chance")
    parser.add_argument("--seed", type=int, default=0, help="which ones --sample draws")
    parser.add_argument("--jobs", type=int, default=2, help="how many side by side (2)")
    parser.add_argument("--list", action="store_true", help="only name them")
    options = parser.parse_args(arguments)
    chosen = choose(all_slips(), options.names, options.sample, options.seed)
    if not chosen:
        parser.error(f"no slip has a name that begins with {' or '.join(options.names)}")
    if options.list:
        for slip in chosen:
            print(f"{slip.name}  ({slip.tests})")
        return 0
    start = time.perf_counter()
    outcomes = run(chosen, options.jobs, lambda line: print(line, flush=True))
    counts = ", ".join(f"{outcomes[kind]} {kind.lower()}" for kind in KINDS)
    print(f"{len(chosen)} slips: {counts}; {time.perf_counter() - start:.0f} s")
    return int(outcomes[CAUGHT] < len(chosen))


if __name__ == "__main__":
    sys.exit(main())
