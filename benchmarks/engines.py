"""The two engines behind one face, so that every row of the benchmark is written once and runs in
both.

tinygan speaks PyTorch's dialect, so a model, a loss or a training step is the same text in both;
what differs (making tensors, memory layout, threads) is what an engine here hides.
"""

import shutil

import numpy as np


class Tinygan:
    """tinygan on one device: with its steps captured, or as they are written."""

    name = "tinygan"
    settings = ("captured", "eager")
    compiles = False

    def __init__(self, device, threads, setting=settings[0]):
        import tinygan
        from tinygan import nn, optim
        from tinygan.backend.cpu import set_num_threads

        set_num_threads(threads)
        self.device, self.setting = device, setting
        self.lib, self.nn, self.F, self.optim = tinygan, nn, nn.functional, optim
        self.no_grad, self.grad = tinygan.no_grad, tinygan.grad

    def tensor(self, array):
        """Images channels-last in memory, as every layer of the engine hands them on."""
        if np.ndim(array) == 4:
            array = np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)
        return self.lib.tensor(array, device=self.device)

    def place(self, module, arrays=None):
        """A module on the device, with weights from `arrays` where given."""
        module.to(self.device)
        if arrays is not None:
            module.load_state_dict(
                {k: self.lib.tensor(v, device=self.device) for k, v in arrays.items()}
            )
        return module

    def adam(self, parameters, **options):
        return self.optim.Adam(parameters, **options)

    def captured(self, step):
        """The step as a user runs it."""
        return self.lib.capture(step) if self.setting == "captured" else step

    def numpy(self, tensor):
        return tensor.detach().numpy()

    def synchronize(self):
        if self.device != "cpu":
            import cupy

            cupy.cuda.get_current_stream().synchronize()

    def version(self):
        return self.lib.__version__


class Torch:
    """PyTorch in one of its settings: memory format, Adam implementation, and `torch.compile`d or
    not, where there is a C++ compiler for it.
    """

    name = "torch"
    settings = tuple(
        f"{layout}, {adam} Adam"
        for layout in ("contiguous", "channels_last")
        for adam in ("default", "foreach", "fused")
    )
    compiles = shutil.which("g++") is not None

    def __init__(self, device, threads, setting=settings[0]):
        import torch

        torch.set_num_threads(threads)
        self.device, self.setting = device, setting
        self.channels_last, self.compiled = "channels_last" in setting, "compiled" in setting
        self.adam_options = {"foreach": {"foreach": True}, "fused": {"fused": True}}.get(
            setting.split(", ")[1].split()[0], {}
        )
        self.lib, self.nn, self.F, self.optim = torch, torch.nn, torch.nn.functional, torch.optim
        self.no_grad, self.grad = torch.no_grad, torch.autograd.grad

    def tensor(self, array):
        tensor = self.lib.from_numpy(np.array(array)).to(self.device)
        if self.channels_last and tensor.ndim == 4:
            tensor = tensor.to(memory_format=self.lib.channels_last)
        return tensor

    def place(self, module, arrays=None):
        if arrays is not None:
            module.load_state_dict({k: self.lib.from_numpy(np.array(v)) for k, v in arrays.items()})
        module.to(self.device)
        if self.channels_last:
            module.to(memory_format=self.lib.channels_last)
        if self.compiled:
            module.compile()
        return module

    def adam(self, parameters, **options):
        return self.optim.Adam(parameters, **options, **self.adam_options)

    def captured(self, step):
        return step

    def numpy(self, tensor):
        return tensor.detach().cpu().numpy()

    def synchronize(self):
        if self.device != "cpu":
            self.lib.cuda.synchronize()

    def version(self):
        return self.lib.__version__


ENGINES = {"tinygan": Tinygan, "torch": Torch}


def random_weights(module, seed, std=None):
    """Weights for a module as arrays by name: the same in every engine that has the same names."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, value in module.state_dict().items():
        shape = tuple(value.shape)
        if name.endswith("num_batches_tracked"):
            arrays[name] = np.zeros(shape, np.int64)
        elif name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
            arrays[name] = np.ones(shape, np.float32)
        elif len(shape) <= 1:
            arrays[name] = np.zeros(shape, np.float32)
        else:
            scale = std or 1 / np.sqrt(np.prod(shape[1:]))
            arrays[name] = (rng.standard_normal(shape) * scale).astype(np.float32)
    return arrays


def evaluating(engine):
    """The context in which an engine only computes forward."""
    return getattr(engine.lib, "inference_mode", engine.no_grad)()
