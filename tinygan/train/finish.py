"""The end of a run: its score, what a study finds, curves, film and report, and the last lines."""

import shlex
import sys

from ..backend import stream
from . import pictures, report
from .gallery import gallery
from .log import records
from .options import dataset

_SCORED = 5000  # samples that a score is made of


def finish(trainer, settings, study, score) -> None:
    """Score and study a system that has come to its last step; leave the report."""
    options, train_set = settings.values, trainer.loader.dataset
    lines = []
    if score:
        print(f"scoring {min(_SCORED, len(train_set) // 2):,} samples ...")
        lines = score(samples(trainer, min(_SCORED, len(train_set) // 2)))
    more, shown = _studied(trainer, study, options)
    lines = [*more, *lines]
    if lines:
        trainer.log.open().write({"step": trainer.step, "score": numbers(lines)})
        trainer.log.close()
    draw(trainer, lines, shown)
    _close(trainer, lines)


def _studied(trainer, study, options):
    """What samples look like beside the data, and what `study` finds, with all pictures written:
    score lines, and caption → file."""
    lines = []
    with trainer.averaged():
        figures = gallery(trainer.system, trainer.loader.dataset)
    if study:
        print("studying what was learned ...")
        test = dataset(options, "test")
        with trainer.averaged():
            lines, found = study(trainer.system, test)
        figures |= found
    files = {}
    for name, (caption, picture) in figures.items():
        files[caption] = trainer.folder.figures / f"{name}.png"
        files[caption].parent.mkdir(exist_ok=True)
        pictures.save_image(picture, files[caption])
    return lines, files


def samples(trainer, n):
    """Samples for a score: the same noise each time, so that scores of different steps compare."""
    purpose = stream("score")
    before = purpose.state()
    with trainer.averaged():
        made = trainer.system.sample(trainer.system.noise(n, "score").numpy())
    purpose.restore(before)
    return made


def numbers(lines):
    """Score lines as numbers by name, for the log."""
    return {line.name: float(line.value) for line in lines}


def draw(trainer, lines=(), figures=()):
    """Curves, film and report from what lies in the folder."""
    folder = trainer.folder
    curve = pictures.curves(records(folder.metrics))
    if curve is not None:
        pictures.save_image(curve, folder.losses)
    for problem in pictures.film([path for _, path in folder.pictures()], folder.gif):
        print(problem)
    facts = [
        f"step {trainer.step} of {trainer.steps}",
        f"{trainer.elapsed:.0f} s of training",
        f"{trainer.system.key}, "
        + ", ".join(f"{k} {m.num_parameters():,}" for k, m in trainer.system.modules.items())
        + " parameters",
    ]
    config = {**trainer.system.config, **trainer.about["options"], **trainer.about["machine"]}
    report.write(folder, f"{trainer.system.key}: {folder.path.name}", config, lines, facts, figures)


def _close(trainer, lines):
    folder = trainer.folder
    print(f"\ntrained {trainer.step} steps in {trainer.elapsed:.0f} s")
    for line in lines:
        print(f"  {line}")
    for finding in (line.finding for line in lines if line.finding):
        print(f"  what stands out: {finding}")
    print(f"\n  report       {folder.report}")
    print(f"  samples      {folder.pictures()[-1][1]}, {folder.gif}")
    if folder.figures.is_dir():
        print(f"  pictures     {folder.figures}")
    print(f"  checkpoints  {folder.checkpoints}")
    print(
        f"  more samples python -m tinygan sample {shlex.quote(str(folder))} --n 64 --out grid.png"
    )


def again(settings):
    """The program that was started, as one types it. The checkpoint knows the rest."""
    spec = sys.modules["__main__"].__spec__
    if spec is not None:
        return f"python -m {spec.name.removesuffix('.__main__')}"
    program = sys.argv[0] if sys.argv and sys.argv[0].endswith(".py") else settings.parser.prog
    return f"python {shlex.quote(program)}"
