"""Taking up a run that stopped: its settings, its data, its state, and what may have changed."""

from .. import data
from ..data import DataError
from . import machine
from .checkpoint import files
from .folder import RunError, number
from .options import CHANGEABLE


def take_over(system, settings, folder, state) -> None:
    """The settings of the run in `state`, with those changes that were asked for and may be."""
    if files(folder.path) == []:
        raise RunError(
            f"{settings.values.resume}: is a checkpoint outside its run's folder, so that there is "
            "no place to go on in; expected RUN/checkpoints/step-….safetensors"
        )
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


def require_same_data(about: dict, state: dict, spec: str) -> None:
    """Refuse to go on with other data than the run began with, and say what changed."""
    if found := data.differences(state["data"]["fingerprint"], about["data"]["fingerprint"]):
        raise DataError(
            f"{spec}: these are not the data that the run was trained on; what differs: "
            f"{'; '.join(found)}. Put the data back as they were, or begin a new run"
        )


def restore(trainer, state, settings) -> None:
    """Put everything back to where the checkpoint was written, and say what will differ."""
    trainer.restore(state)
    if lost := trainer.log.restore(state["log"], trainer.step):
        print(lost)
    _set_aside_newer(trainer)
    if change_rate(trainer, state, settings):
        print(f"the learning rate is {settings.values.lr} from here on")
    if found := machine.changes(state["machine"], trainer.about["machine"]):
        print(
            "the run goes on from the very same numbers, but from here on their last bits will "
            f"differ from those of a run that was never stopped: {'; '.join(found)}"
        )
    done = f"resuming {trainer.folder} at step {trainer.step} of {trainer.steps}"
    if trainer.step >= trainer.steps:
        done += ": it is finished; give more --steps to go on"
    print(done)


def _set_aside_newer(trainer):
    """Checkpoints of later steps, damaged or of a course not taken, would confuse the next one."""
    for path in files(trainer.folder.path):
        if number(path) > trainer.step:
            path.rename(path.with_name(path.name + ".set-aside"))


def change_rate(trainer, state, settings) -> bool:
    """Go on with the rate that was asked for, where it is another than the run's. Was it?"""
    lr = settings.values.lr
    if "lr" not in settings.explicit or lr == state["options"]["lr"]:
        return False
    for optimizer in trainer.system.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = lr
    for schedule in trainer.schedules.values():
        schedule.rebase(lr)
    return True
