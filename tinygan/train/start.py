"""From a command line to a finished run: what every example calls.

`run(DCGAN, settings)` opens the data, builds the system, or both as a checkpoint has them, trains
it with everything in `callbacks`, scores it and writes the report.
"""

import contextlib
import math
import sys
from dataclasses import fields

from .. import data
from ..backend import DeviceError, device, manual_seed
from ..backend.cpu import get_num_threads, set_num_threads
from ..data import DataError
from ..models import System, build
from ..parallel import ALONE, distribute, join
from . import checkpoint, console, machine, resume
from .callbacks import (
    Checkpoints,
    Losses,
    Progress,
    Samples,
    Scores,
    TensorBoard,
)
from .doctor import Doctor, Unhealthy
from .finish import again, draw, finish, numbers, samples
from .folder import RunError, new_folder
from .loop import Trainer
from .options import Settings, dataset
from .score import scorer


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
    options, group = settings.values, ALONE
    try:
        if options.distributed:
            group = join(device(options.device))
            options.device = str(group.device)
    except DeviceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    with group.together():
        status = _reported(system, settings, study, suited, callbacks, config, group)
        if status == 1:
            group.end_all(status)
    return status


def _reported(system, settings, study, suited, callbacks, config, group):
    """The exit status; what a user can mend is said in one line."""
    options, resumed = settings.values, None
    try:
        if options.resume:
            resumed = checkpoint.find(options.resume)
            resume.take_over(system, settings, *resumed)
        options.threads = options.threads or get_num_threads()
        set_num_threads(options.threads)
        with device(options.device):
            return _run(system, settings, study, suited, callbacks, config, resumed, group)
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


def _run(system, settings, study, suited, callbacks, config, resumed, group):
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
    if options.batch_size % group.size:
        raise RunError(
            f"a batch of {options.batch_size} cannot be shared equally by {group.size} processes: "
            "choose another --batch-size"
        )
    loader = data.Loader(train_set, options.batch_size)
    if options.epochs:
        options.steps = math.ceil(options.epochs * loader.batches_per_epoch)
    if state is None:
        made = _built(system, train_set, options, config)
    else:
        made = build(state["config"])
    if group.size > 1:
        loader.share = made.share = (group.rank, group.size)
    if not group.leads:
        return _follow(made, loader, settings, state, group)
    if state is None:
        folder = new_folder(options.out, made.config["system"], options.data)
    try:
        return _with_folder(made, folder, loader, settings, study, callbacks, state, group)
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


def _follow(made, loader, settings, state, group):
    """What the other processes of a distributed run do: learn, and leave the rest to the first."""
    options = settings.values
    trainer = Trainer(
        made, loader, None, options.steps, ema=options.ema, schedule=options.schedule,
        captured=options.capture == "auto", group=group,
    )  # fmt: skip
    if state is not None:
        trainer.restore(state)
        resume.change_rate(trainer, state, settings)
    _share(trainer, options)
    return trainer.run()


def _share(trainer, options):
    if trainer.group.size > 1:
        system = trainer.system
        distribute(system.modules, system.optimizers, trainer.group, options.sync_batchnorm)


def _with_folder(made, folder, loader, settings, study, callbacks, state, group):
    options = settings.values
    score = scorer(loader.dataset) if options.score else None
    trainer = _trainer(made, loader, folder, settings, score, callbacks, group)
    if state is None:
        folder.require_space(_needed(made, options))
    else:
        resume.require_same_data(trainer.about, state, options.data)
        folder.prepare()
        resume.restore(trainer, state, settings)
    _share(trainer, options)
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


def _trainer(system, loader, folder, settings, score, watching, group):
    options, doctor, train_set = settings.values, Doctor(system.won_below), loader.dataset
    losses = Losses(max(1, min(10, options.steps // 100)), doctor)
    judge = None if score is None else score.judge
    callbacks = [losses, Samples(options.sample_every, train_set, doctor, judge), *watching]
    if score and options.score_every:
        callbacks.append(
            Scores(options.score_every, lambda run: numbers(score(samples(run, 1000))))
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
        captured=options.capture == "auto", group=group,
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
            draw(trainer)
        raise
    if status:
        print(f"\nstopped at step {trainer.step}; everything is saved. To go on:")
        print(f"    {again(settings)} {folder.resume()}")
        draw(trainer)
        return status
    finish(trainer, settings, study, score)
    return 0
