"""From a command line to a finished run: what every example calls.

`run(DCGAN, settings)` opens the data, builds the system, or both as a checkpoint has them, trains
it with everything in `callbacks`, scores it and writes the report.
"""

import contextlib
import math
import shlex
import sys
from dataclasses import fields

from .. import data
from ..backend import DeviceError, device, manual_seed, stream
from ..backend.cpu import get_num_threads, set_num_threads
from ..data import DataError
from ..models import System, build
from . import checkpoint, console, machine, pictures, report, resume
from .callbacks import (
    Checkpoints,
    Losses,
    Progress,
    Samples,
    Scores,
    TensorBoard,
)
from .doctor import Doctor, Unhealthy
from .folder import RunError, new_folder
from .gallery import gallery
from .log import records
from .loop import Trainer
from .options import Settings
from .score import scorer

_SCORED = 5000  # samples that a score is made of


def run(
    system: type[System], settings: Settings, study=None, suited=None, callbacks=(), **config
) -> int:
    """Train a system as the command line says; gives the exit status.

    The system's own settings are those of the command line that have the same name, and `config`.
    `suited(dataset)` gives those that suit the data, by name, for all that do not stand on the
    command line. `study(system, test_set)` adds to the report of a finished run: it gives a list of
    score lines and a dict, name → (caption, picture). `callbacks` watch besides the usual ones, and
    their state is kept in checkpoints if they have a name. Errors that a user can mend end with one
    message and no traceback.
    """
    console.never_fail_to_print()
    options, resumed = settings.values, None
    try:
        if options.resume:
            resumed = checkpoint.find(options.resume)
            resume.take_over(system, settings, *resumed)
        options.threads = options.threads or get_num_threads()
        set_num_threads(options.threads)
        with device(options.device):
            return _run(system, settings, study, suited, callbacks, config, resumed)
    except (RunError, DataError, DeviceError, Unhealthy) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # before there is a folder: a name too long, a place not to be read
        print(f"error: {error}", file=sys.stderr)
        return 1
    except MemoryError as error:
        print(
            f"error: not enough memory: {error}; choose a smaller model, --size or --batch-size",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("stopped before there was a run", file=sys.stderr)
        return 130


def dataset(options, split: str = "train") -> data.Dataset:
    """The data that the command line names."""
    return data.open(
        options.data, split, size=options.size, channels=options.channels,
        skip_damaged=options.skip_damaged,
    )  # fmt: skip


def _run(system, settings, study, suited, callbacks, config, resumed):
    folder, state = resumed or (None, None)
    options = settings.values
    manual_seed(options.seed)
    train_set = dataset(options)
    if state is None:
        for name, value in (suited(train_set) if suited else {}).items():
            if name not in settings.explicit:
                setattr(options, name, value)
    if train_set.skipped:
        print(f"left out {len(train_set.skipped):,} damaged items: {train_set.skipped[0]}; …")
    if len(train_set) < options.batch_size:
        raise RunError(
            f"{options.data} has {len(train_set):,} items, fewer than one batch of "
            f"{options.batch_size:,}: choose a smaller --batch-size"
        )
    loader = data.Loader(train_set, options.batch_size)
    if options.epochs:
        options.steps = math.ceil(options.epochs * loader.batches_per_epoch)
    if state is None:
        made = _built(system, train_set, options, config)
        folder = new_folder(options.out, made.config["system"], options.data)
    else:
        made = build(state["config"])
    try:
        return _with_folder(made, folder, loader, settings, study, callbacks, state)
    except BrokenPipeError:
        raise RunError(
            f"the program that read what this one prints has ended; {folder.way_on()}"
        ) from None
    except OSError as error:
        raise RunError(
            f"{error.strerror or error}. Free some space, or mend what it names; {folder.way_on()}"
        ) from None
    except KeyboardInterrupt:
        print(f"stopped at once; {folder.way_on()}", file=sys.stderr)
        return 130


def _with_folder(made, folder, loader, settings, study, callbacks, state):
    options = settings.values
    score = scorer(loader.dataset) if options.score else None
    trainer = _trainer(made, loader, folder, settings, score, callbacks)
    if state is None:
        folder.require_space(_needed(made, options))
    else:
        resume.require_same_data(trainer.about, state, options.data)
        folder.prepare()
        resume.restore(trainer, state, settings)
    folder.write_config(
        {**made.config, **_plain(options), "examples": len(loader.dataset)}
        | {"machine": trainer.about["machine"]}
    )
    return _train(trainer, settings, study, score)


def _built(system, train_set, options, config):
    names = {field.name for field in fields(system)}
    config = {name: value for name, value in vars(options).items() if name in names} | config
    if "classes" in names:
        config = {"classes": train_set.classes, **config}
    if "words" in names:
        config = {"words": len(getattr(train_set, "vocabulary", ())), **config}
    try:
        return system(shape=train_set.shape, **config)
    except ValueError as error:  # a setting that does not fit the data
        raise RunError(str(error)) from None


def _needed(system, options):
    """Bytes of checkpoints, of those that will ever be there at once, and of pictures."""
    numbers = sum(p.numel() for m in system.modules.values() for p in m.parameters())
    between = (options.steps - 1) // options.checkpoint_every if options.checkpoint_every else 0
    written = between + 2  # one before the first step, one after the last
    return 4 * 4 * numbers * min(options.keep + 1, written) + 2**24


def _plain(options):
    return {key: value for key, value in vars(options).items() if key not in ("resume", "out")}


# -- training --------------------------------------------------------------------------------------


def _trainer(system, loader, folder, settings, score, watching):
    options, doctor, train_set = settings.values, Doctor(system.won_below), loader.dataset
    losses = Losses(max(1, min(10, options.steps // 100)), doctor)
    judge = None if score is None else score.judge
    callbacks = [losses, Samples(options.sample_every, train_set, doctor, judge), *watching]
    if score and options.score_every:
        callbacks.append(
            Scores(options.score_every, lambda run: _figures(score(_samples(run, 1000))))
        )
    if options.tensorboard:
        callbacks.append(TensorBoard(losses, _writer(folder)))
    callbacks += [Checkpoints(options.checkpoint_every), Progress(losses, options.batch_size)]
    about = {
        "options": _plain(options),
        "data": {
            "name": train_set.name, "spec": options.data, "shape": list(train_set.shape),
            "class names": list(train_set.class_names or ()),
            "fingerprint": data.fingerprint(train_set),
        },
        "machine": machine.facts(),
    }  # fmt: skip
    return Trainer(
        system, loader, folder, options.steps, callbacks,
        ema=options.ema, schedule=options.schedule, keep=options.keep, about=about,
    )  # fmt: skip


def _writer(folder):
    try:
        from tensorboard.summary import Writer
    except ImportError:
        raise RunError(
            "--tensorboard: its writer is not installed; pip install tensorboard, or leave it out"
        ) from None
    return Writer(str(folder.path / "tensorboard"))


def _train(trainer, settings, study, score):
    folder, options, train_set = trainer.folder, settings.values, trainer.loader.dataset
    print(f"{trainer.system.key} on {train_set!r}, {options.device}, into {folder}")
    try:
        status = trainer.run()
    except Unhealthy:
        with contextlib.suppress(OSError):  # the reason of the end matters more
            _picture(trainer, [])
        raise
    if status:
        print(f"\nstopped at step {trainer.step}; everything is saved. To go on:")
        print(f"    {_again(settings)} {folder.resume()}")
        _picture(trainer, [])
        return status
    lines = []
    if score:
        print(f"scoring {min(_SCORED, len(train_set) // 2):,} samples ...")
        lines = score(_samples(trainer, min(_SCORED, len(train_set) // 2)))
    more, figures = _studied(trainer, study, options)
    lines = [*more, *lines]
    if lines:
        trainer.log.open().write({"step": trainer.step, "score": _figures(lines)})
        trainer.log.close()
    _picture(trainer, lines, figures)
    _close(trainer, lines)
    return 0


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


def _samples(trainer, n):
    """Samples for a score: the same noise each time, so that scores of different steps compare."""
    purpose = stream("score")
    before = purpose.state()
    with trainer.averaged():
        made = trainer.system.sample(trainer.system.noise(n, "score").numpy())
    purpose.restore(before)
    return made


def _figures(lines):
    return {line.name: float(line.value) for line in lines}


def _picture(trainer, lines, figures=()):
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


def _again(settings):
    """The program that was started, as one types it. The checkpoint knows the rest."""
    spec = sys.modules["__main__"].__spec__
    if spec is not None:
        return f"python -m {spec.name.removesuffix('.__main__')}"
    program = sys.argv[0] if sys.argv and sys.argv[0].endswith(".py") else settings.parser.prog
    return f"python {shlex.quote(program)}"
