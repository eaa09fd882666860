"""From a command line to a finished run: what every example calls.

`run(DCGAN, settings, width=32)` opens the data, builds the system, or both as a checkpoint has
them, trains it with everything in `callbacks`, scores it and writes the report.
"""

import math
import sys
from dataclasses import fields

from .. import data
from ..backend import DeviceError, device, manual_seed, stream
from ..backend.cpu import get_num_threads, set_num_threads
from ..data import DataError
from ..models import System, build
from . import checkpoint, pictures, report
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
from .log import records
from .loop import Trainer
from .options import CHANGEABLE, Settings
from .score import scorer

_SCORED = 5000  # samples that a score is made of


def run(system: type[System], settings: Settings, study=None, **config) -> int:
    """Train a system as the command line says; gives the exit status.

    `config` are the system's own settings, of which those that stand on the command line under the
    same name follow it. `study(system, test_set)` adds to the report of a finished run: it gives a
    list of score lines and a dict, name → (caption, picture). Errors that a user can mend end with
    one message and no traceback.
    """
    try:
        resumed = None
        if settings.values.resume:
            resumed = checkpoint.find(settings.values.resume)
            _take_over(system, settings, resumed[1])
        options = settings.values
        options.threads = options.threads or get_num_threads()
        set_num_threads(options.threads)
        with device(options.device):
            return _run(system, settings, study, config, resumed)
    except (RunError, DataError, DeviceError, Unhealthy) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped at once; what was saved before is in the run's folder", file=sys.stderr)
        return 130


def _run(system, settings, study, config, resumed):
    folder, state = resumed or (None, None)
    options = settings.values
    manual_seed(options.seed)
    dataset = data.open(options.data, "train", size=options.size)
    loader = data.Loader(dataset, options.batch_size)
    steps = options.steps
    if options.epochs:
        steps = options.steps = math.ceil(options.epochs * loader.batches_per_epoch)
    if state is None:
        made = _built(system, dataset, config)
        folder = new_folder(options.out, system.key, options.data)
    else:
        made = build(state["config"])
        folder.prepare()
    trainer = _trainer(made, loader, folder, steps, dataset, settings)
    if state is None:
        folder.require_space(_needed(made, options.keep))
    else:
        _restore(trainer, state, settings)
    folder.write_config({**made.config, **_plain(options), "examples": len(dataset)})
    return _train(trainer, dataset, settings, study)


def _built(system, dataset, config):
    if "classes" in {field.name for field in fields(system)}:
        config = {"classes": dataset.classes, **config}
    try:
        return system(shape=dataset.shape, **config)
    except ValueError as error:  # a setting that does not fit the data
        raise RunError(str(error)) from None


def _needed(system, keep):
    numbers = sum(p.numel() for m in system.modules.values() for p in m.parameters())
    return 4 * 4 * numbers * (keep + 1) + 2**24


def _plain(options):
    return {key: value for key, value in vars(options).items() if key not in ("resume", "out")}


# -- resuming --------------------------------------------------------------------------------------


def _take_over(system, settings, state):
    """The settings of the run in `state`, with those changes that were asked for and may be."""
    if state["config"]["system"] != system.key:
        raise RunError(
            f"{settings.values.resume} is a run of {state['config']['system']!r}, not of "
            f"{system.key!r}: resume it with its own example"
        )
    for name in settings.explicit - CHANGEABLE - {"resume", "out"}:
        given, own = getattr(settings.values, name), state["options"].get(name)
        if given != own:
            raise RunError(
                f"{settings.flag(name)} {given} differs from the run's {own}, and a resumed run "
                "goes on as it was: leave it out, or begin a new run"
            )
    if "out" in settings.explicit:
        raise RunError("--out cannot go with --resume: the run goes on in its own folder")
    for name, value in state["options"].items():
        if name not in settings.explicit:
            setattr(settings.values, name, value)
    if "steps" in settings.explicit:
        settings.values.epochs = None


def _restore(trainer, state, settings):
    trainer.restore(state)
    if lost := trainer.log.restore(state["log"], trainer.step):
        print(lost)
    _set_aside_newer(trainer)
    if "lr" in settings.explicit and settings.values.lr != state["options"]["lr"]:
        _change_rate(trainer, settings.values.lr)
    done = f"resuming {trainer.folder} at step {trainer.step} of {trainer.steps}"
    if trainer.step >= trainer.steps:
        done += ": it is finished; give more --steps to go on"
    print(done)


def _set_aside_newer(trainer):
    """Checkpoints of later steps, damaged or of a course not taken, would confuse the next one."""
    for path in checkpoint.files(trainer.folder.path):
        if int(path.stem.removeprefix("step-")) > trainer.step:
            path.rename(path.with_name(path.name + ".set-aside"))


def _change_rate(trainer, lr):
    for optimizer in trainer.system.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = lr
    for schedule in trainer.schedules.values():
        schedule.rebase(lr)
    print(f"the learning rate is {lr} from here on")


# -- training --------------------------------------------------------------------------------------


def _trainer(system, loader, folder, steps, dataset, settings):
    options, doctor = settings.values, Doctor(system.won_below)
    losses = Losses(max(1, min(10, steps // 100)), doctor)
    callbacks = [losses, Samples(options.sample_every, dataset, doctor)]
    score = scorer(dataset) if options.score else None
    if score and options.score_every:
        callbacks.append(
            Scores(options.score_every, lambda run: _figures(score(_samples(run, 1000))))
        )
    if options.tensorboard:
        callbacks.append(TensorBoard(losses, _writer(folder)))
    callbacks += [Checkpoints(options.checkpoint_every), Progress(losses, options.batch_size)]
    about = {
        "options": _plain(options),
        "data": {"name": dataset.name, "spec": options.data, "shape": list(dataset.shape)},
    }
    return Trainer(
        system, loader, folder, steps, callbacks,
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


def _train(trainer, dataset, settings, study):
    folder, options = trainer.folder, settings.values
    print(f"{trainer.system.key} on {dataset!r}, {options.device}, into {folder}")
    try:
        status = trainer.run()
    except Unhealthy:
        _picture(trainer, [])
        raise
    if status:
        print(f"\nstopped at step {trainer.step}; everything is saved. To go on:")
        print(f"    {_again(settings)} --resume {folder}")
        _picture(trainer, [])
        return status
    lines = []
    score = scorer(dataset) if options.score else None
    if score:
        print(f"scoring {min(_SCORED, len(dataset) // 2):,} samples ...")
        lines = score(_samples(trainer, min(_SCORED, len(dataset) // 2)))
    more, figures = _studied(trainer, study, options) if study else ([], {})
    lines = [*more, *lines]
    if lines:
        trainer.log.open().write({"step": trainer.step, "score": _figures(lines)})
        trainer.log.close()
    _picture(trainer, lines, figures)
    _close(trainer, lines)
    return 0


def _studied(trainer, study, options):
    """What `study` finds, with its pictures written: lines, and caption → file."""
    print("studying what was learned ...")
    test, files = data.open(options.data, "test", size=options.size), {}
    with trainer.averaged():
        lines, figures = study(trainer.system, test)
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
    config = {**trainer.system.config, **trainer.about.get("options", {})}
    report.write(folder, f"{trainer.system.key}: {folder.path.name}", config, lines, facts, figures)


def _close(trainer, lines):
    folder = trainer.folder
    print(f"\ntrained {trainer.step} steps in {trainer.elapsed:.0f} s")
    for line in lines:
        print(f"  {line}")
    print(f"\n  report       {folder.report}")
    print(f"  samples      {folder.pictures()[-1][1]}, {folder.gif}")
    if folder.figures.is_dir():
        print(f"  pictures     {folder.figures}")
    print(f"  checkpoints  {folder.checkpoints}")
    print(f"  more samples python -m tinygan sample {folder} --n 64 --out grid.png")


def _again(settings):
    """The command that was typed, as far as it is needed to resume."""
    program = sys.argv[0] if sys.argv and sys.argv[0].endswith(".py") else settings.parser.prog
    return f"python {program}"
