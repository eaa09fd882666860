"""The engines as they run on a GPU: tinygan eager or captured, PyTorch in several settings.

PyTorch runs eagerly, in either memory format; with the whole step in one CUDA graph, which a user
of PyTorch can have by hand; and with its modules compiled before that, which is the most it offers.
Both engines may use TF32 for products of float32 matrices, as PyTorch's convolutions do by default.
"""

from tinygan.backend.cuda import float32_as

from .. import engines


class Tinygan(engines.Tinygan):
    """tinygan on the GPU; a setting is "eager", "captured" or "captured, bf16". Its captured steps
    are kept, to ask them whether they were captured.
    """

    def __init__(self, device, threads, setting="captured"):
        super().__init__(device, threads, setting.split(", ")[0])
        self.half, self.steps = "bf16" in setting, []

    def captured(self, step):
        step = super().captured(step)
        if self.setting == "captured":
            self.steps.append(step)
        return self._in_bf16(step) if self.half else step

    def _in_bf16(self, step):
        def half(*inputs):
            with float32_as("bfloat16"):
                return step(*inputs)

        return half

    def problem(self):
        """Why a step runs as it is written, if one does."""
        return next((s.problem for s in self.steps if s.problem), None)

    def synchronize(self):
        if self.device != "cpu":
            import cupy

            cupy.cuda.Device().synchronize()

    def start_counting(self):
        """From here on, note the memory that is taken from the device."""
        if self.device == "cpu":
            return
        import cupy

        class Taken(cupy.cuda.MemoryHook):
            bytes = 0

            def alloc_postprocess(self, **what):
                self.bytes += what["mem_size"]

        cupy.get_default_memory_pool().free_all_blocks()
        self.taken = Taken()
        self.taken.__enter__()

    def peak_mb(self):
        """What the pools have taken from the device since then."""
        if self.device == "cpu":
            return 0.0
        self.taken.__exit__(None, None, None)
        return self.taken.bytes / 2**20


class Torch(engines.Torch):
    """PyTorch on the GPU; a setting is, say, "channels_last, compiled, CUDA graph, bf16"."""

    def __init__(self, device, threads, setting):
        super().__init__(device, threads, f"{setting.split(', ')[0]}, fused Adam")
        torch, words = self.lib, setting.split(", ")
        self.setting, self.compiled = setting, "compiled" in words
        self.graphed = "CUDA graph" in words and device != "cpu"
        self.half = "bf16" in words
        self.adam_options = {"fused": True, "capturable": self.graphed}
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cuda.matmul.allow_tf32 = True
        if self.compiled:  # one code object, Module's call, is compiled for many modules
            for name in ("recompile_limit", "cache_size_limit", "accumulated_recompile_limit"):
                if hasattr(torch._dynamo.config, name):
                    setattr(torch._dynamo.config, name, 256)

    def place(self, module, arrays=None):
        compiled, self.compiled = self.compiled, False
        super().place(module, arrays)
        self.compiled = compiled
        if compiled:
            module.compile(dynamic=False)
        return module

    def captured(self, step):
        if self.half:
            step = self._in_bf16(step)
        return Graphed(self.lib, step) if self.graphed else step

    def _in_bf16(self, step):
        def half(*inputs):
            with self.lib.autocast(self.device, dtype=self.lib.bfloat16, cache_enabled=False):
                return step(*inputs)

        return half

    def problem(self):
        return None

    def start_counting(self):
        if self.device == "cpu":
            return
        cuda = self.lib.cuda
        cuda.empty_cache()
        cuda.reset_peak_memory_stats()
        self.before = cuda.memory_reserved()

    def peak_mb(self):
        """The most that its allocator has taken from the device since `start_counting`."""
        if self.device == "cpu":
            return 0.0
        return (self.lib.cuda.max_memory_reserved() - self.before) / 2**20


class Graphed:
    """A step that runs as it is written at first, and from its fourth call on as a CUDA graph."""

    def __init__(self, torch, step, warm_up=3):
        self.torch, self.step, self.left = torch, step, warm_up
        self.side, self.graph = torch.cuda.Stream(), None

    def __call__(self, *inputs):
        if self.left:
            self.left -= 1
            return self._aside(inputs)
        if self.graph is None:
            self._capture(inputs)
        for held, given in zip(self.inputs, inputs):
            held.copy_(given)
        self.graph.replay()
        return self.outputs

    def _aside(self, inputs):
        """The step on a stream of its own, as PyTorch asks of what goes before a capture."""
        cuda = self.torch.cuda
        self.side.wait_stream(cuda.current_stream())
        with cuda.stream(self.side):
            outputs = self.step(*inputs)
        cuda.current_stream().wait_stream(self.side)
        return outputs

    def _capture(self, inputs):
        cuda, graph = self.torch.cuda, self.torch.cuda.CUDAGraph()
        self.inputs = [x.detach().clone() for x in inputs]
        cuda.synchronize()
        with cuda.graph(graph, stream=self.side):
            self.outputs = self.step(*self.inputs)
        self.graph = graph


ENGINES = {"tinygan": Tinygan, "torch": Torch}
