"""Training in several processes, each with its share of every batch.

    mpiexec -n 4 python examples/train_dcgan.py --distributed

All processes have the same weights. Each computes the gradients of its share of a batch; their mean
over all processes is the gradient of the whole batch, so that all take the same step, and the
weights remain the same bit by bit. Processes talk by MPI (`mpi4py`), and their GPUs by NCCL.

Steps are captured, with what the processes tell each other as calls of the program. Before each
step they agree on what it is to be: where one of them cannot replay it, none does.
"""

from .group import ALONE, Group, join
from .share import distribute

__all__ = ["ALONE", "Group", "distribute", "join"]
