"""`torch.cuda`: what ported code asks of the GPU. Without one it answers so, or does nothing."""

from importlib import import_module

from tinygan.backend import DeviceError, cuda_is_available, device
from tinygan.backend import manual_seed as _seed
from tinygan.compat.faces import answering
from tinygan.compat.tensors import typed_constructors

is_available = cuda_is_available


def device_count() -> int:
    return _runtime().getDeviceCount() if is_available() else 0


def current_device() -> int:
    device("cuda")  # says what is missing
    return _runtime().getDevice()


def set_device(index) -> None:
    """Only the first GPU is what "cuda" means; for others say which, as in `.to("cuda:1")`."""
    index = getattr(index, "index", index)
    if index not in (0, -1, "cuda", "cuda:0"):
        raise DeviceError(
            f"cuda.set_device: 'cuda' is always the first GPU; instead of set_device({index!r}), "
            f"say .to('cuda:{index}'), or set CUDA_VISIBLE_DEVICES={index}"
        )


def get_device_name(index=0) -> str:
    device("cuda")
    properties = _runtime().getDeviceProperties(getattr(index, "index", index) or 0)
    return properties["name"].decode()


def synchronize(device=None) -> None:
    """Wait for the GPU."""
    if is_available():
        import_module("cupy").cuda.runtime.deviceSynchronize()


def empty_cache() -> None:
    """Give memory that is free but kept back to the GPU."""
    if is_available():
        import_module("cupy").get_default_memory_pool().free_all_blocks()


def memory_allocated(device=None) -> int:
    return import_module("cupy").get_default_memory_pool().used_bytes() if is_available() else 0


def memory_reserved(device=None) -> int:
    return import_module("cupy").get_default_memory_pool().total_bytes() if is_available() else 0


def manual_seed(seed: int) -> None:
    """One seed serves all devices: the same as `tinygan.manual_seed`."""
    _seed(seed)


manual_seed_all = manual_seed


def _runtime():
    return import_module("cupy").cuda.runtime


globals().update(typed_constructors("cuda"))

__getattr__ = answering("tinygan.cuda")
