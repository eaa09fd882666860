"""Slips in layers and their initial weights."""

from . import slips

EQUATIONS = "tests/test_equations.py"

SLIPS = [
    *slips(
        "nn/init.py", EQUATIONS + " -k 'initialisers or gains or orthogonal or default_weights'",
        ("fans swapped", "    return tensor.shape[1] * window, tensor.shape[0] * window", "    return tensor.shape[0] * window, tensor.shape[1] * window"),
        ("fan without its window", "    window = math.prod(tensor.shape[2:])", "    window = 1"),
        ("mode inverted", "fans(tensor)[mode == \"fan_out\"]", "fans(tensor)[mode == \"fan_in\"]"),
        ("gain of relu", "\"relu\": math.sqrt(2)", "\"relu\": 2.0"),
        ("gain of tanh", "{\"tanh\": 5 / 3", "{\"tanh\": 4 / 3"),
        ("gain of leaky relu without its square", "(0.01 if param is None else param) ** 2))", "(0.01 if param is None else param)))"),
        ("gain of leaky relu's default slope", "(0.01 if param is None", "(0.2 if param is None"),
        ("xavier's bound", "bound = gain * math.sqrt(6 /", "bound = gain * math.sqrt(3 /"),
        ("xavier's deviation", "gain * math.sqrt(2 / max(sum(", "gain * math.sqrt(1 / max(sum("),
        ("kaiming's bound", "calculate_gain(nonlinearity, a) * math.sqrt(3 /", "calculate_gain(nonlinearity, a) * math.sqrt(6 /"),
        ("kaiming ignores the slope", "tensor, 0.0, calculate_gain(nonlinearity, a)", "tensor, 0.0, calculate_gain(nonlinearity)"),
        ("orthogonal's sign", "    q = q * xp.sign(xp.diagonal(r))", "    q = q * 1.0"),
        ("orthogonal's gain", "tensor.array[...] = gain * (q.T", "tensor.array[...] = (q.T"),
        ("truncated normal is only cut", "    low, high = cdf(a), cdf(b)", "    low, high = 0.0, 1.0"),
        ("truncated normal forgets its mean", "add_(mean).clamp_(a, b)", "clamp_(a, b)"),
    ),
    *slips(
        "nn/linear.py", EQUATIONS + " -k 'default_weights or linear'",
        ("weights by another gain", "init.kaiming_uniform_(weight, a=math.sqrt(5))", "init.kaiming_uniform_(weight)"),
        ("bias by fan out", "max(init.fans(weight)[0], 1)", "max(init.fans(weight)[1], 1)"),
    ),
    *slips(
        "nn/norm.py", EQUATIONS + " -k norm",
        ("batch norm's default eps", "(`tinygan.parallel`)\n\n    def __init__(\n        self,\n        num_features,\n        eps=1e-5,", "(`tinygan.parallel`)\n\n    def __init__(\n        self,\n        num_features,\n        eps=1e-3,"),
        ("cumulative average by the last count", "return 1 / int(self.num_batches_tracked)", "return 1 / (1 + int(self.num_batches_tracked))"),
        ("statistics move in evaluation", "if self.training and self.track_running_stats else 0.0", "if self.track_running_stats else 0.0"),
        ("the batch's statistics in evaluation", "use_batch = self.training or self.running_mean is None", "use_batch = True"),
    ),
    *slips(
        "nn/recurrent.py", EQUATIONS + " -k 'recurrent or default_weights'",
        ("both gates swapped", "r, z = gates[:, :size], gates[:, size:]", "z, r = gates[:, :size], gates[:, size:]"),
        ("past and candidate swapped", "return (n + z * (h - n),)", "return (h + z * (n - h),)"),
        ("reset before the product", "+ r * from_state[:, 2 * size :])", "+ from_state[:, 2 * size :])"),
        ("lstm's gates in another order", "i, f, g, o = ops.chunk(", "f, i, g, o = ops.chunk("),
        ("lstm's cell forgets nothing", "c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)", "c = c + ops.sigmoid(i) * ops.tanh(g)"),
        ("lstm's state without its tanh", "return ops.sigmoid(o) * ops.tanh(c), c", "return ops.sigmoid(o) * c, c"),
    ),
    *slips(
        "nn/spectral_norm.py", EQUATIONS + " -k spectral",
        ("sigma detached", "sigma = (u * (self.matrix(weight) @ v)).sum()", "sigma = (u * (self.matrix(weight) @ v)).sum().detach()"),
        ("u does not move", "                u_buffer.copy_(u)\n", ""),
        ("iterates in evaluation", "            if training:\n                u, v", "            if True:\n                u, v"),
        ("rows of a transposed convolution", "dim = 1 if isinstance(module, ConvTranspose1d | ConvTranspose2d) else 0", "dim = 0"),
        ("one iteration whatever was asked", "        for _ in range(count):\n", "        for _ in range(min(count, 1)):\n"),
        ("no start", "u, v = norm.iterate(matrix, u, v, 15)", "u, v = norm.iterate(matrix, u, v, 1)"),
    ),
    *slips(
        "nn/embedding.py", EQUATIONS + " -k 'padding or tables'",
        ("padding learns", "return ops.where((index == self.padding_idx).unsqueeze(-1), out.detach(), out)", "return out"),
        ("padding is not zero at first", "            self.weight[self.padding_idx] = 0.0", "            pass"),
        ("negative padding index", "self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings", "self.padding_idx = padding_idx"),
    ),
    *slips(
        "nn/activation.py", EQUATIONS + " -k 'layers or dropout'",
        ("leaky relu's default slope", "def __init__(self, negative_slope=0.01, inplace=False):", "def __init__(self, negative_slope=0.1, inplace=False):"),
    ),
    *slips(
        "nn/module.py", "tests/test_nn.py",
        ("eval trains", "        return self.train(False)", "        return self.train(True)"),
        ("train here only", "        for module in self.modules():\n            module.__dict__[\"training\"]", "        for module in [self]:\n            module.__dict__[\"training\"]"),
        ("buffers that are not saved are", "                if module._buffers[name]:\n", "                if True:\n"),
        ("shared parameters twice", "                if once and id(tensor) in seen:", "                if False:"),
        ("a hook's result ignored", "            out = out if changed is None else changed", "            out = out"),
        ("pre-hooks ignored", "                inputs = changed if isinstance(changed, tuple) else (changed,)", "                pass"),
        ("whole numbers become floats", "keeps = None if tensor.array.dtype.kind != \"f\" else dtype", "keeps = dtype"),
        ("zero_grad leaves gradients", "            if set_to_none:\n                p.grad = None", "            if set_to_none:\n                pass"),
    ),
    *slips(
        "nn/containers.py", "tests/test_nn.py",
        ("a norm fused although it is hooked", "    if any(m._forward_hooks or m._forward_pre_hooks for m in (norm, activation)):", "    if False:"),
        ("a list's slice keeps one less", "[(k, v) for k, v in self.__dict__.items() if isinstance(v, Module)][index]", "[(k, v) for k, v in self.__dict__.items() if isinstance(v, Module)][index][:-1]"),
    ),
    *slips(
        "nn/dropout.py", EQUATIONS + " -k dropout",
        ("drops in evaluation", "return self._drop(x, self.p, self.training)", "return self._drop(x, self.p, True)"),
        ("channels dropped pixel by pixel", "_drop = staticmethod(ops.dropout2d)", "_drop = staticmethod(ops.dropout)"),
    ),
    *slips(
        "nn/conv.py", EQUATIONS + " -k 'conv'",
        ("same padding ignores dilation", "totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size)]", "totals = [k - 1 for d, k in zip(self.dilation, self.kernel_size)]", EQUATIONS + " -k 'conv' tests/test_nn.py"),
        ("even windows padded more before", "[(total // 2, total - total // 2) for total in totals]", "[(total - total // 2, total // 2) for total in totals]"),
    ),
    *slips(
        "nn/load.py", "tests/test_nn.py -k 'load or state or fit'",
        ("shapes unchecked", "        if array.shape != own[name].shape\n", "        if False\n"),
        ("strict ignored", "    if strict:\n", "    if False:\n"),
        ("what is strange is missing", "unexpected = [name for name in state if name not in own]", "unexpected = []"),
    ),
    *slips(
        "nn/attention.py", "tests/test_equations.py -k 'multihead or norms_and_tables'",
        ("scores not scaled", "scores = (q / math.sqrt(q.shape[-1])) @", "scores = q @"),
        ("masks inverted", "ops.where(mask, -math.inf, scores) if hidden", "ops.where(mask, scores, -math.inf) if hidden"),
        ("weights summed over heads", "weights.mean(1) if average_attn_weights", "weights.sum(1) if average_attn_weights"),
        ("heads side by side mixed up", "return x.reshape(*x.shape[:2], self.num_heads, -1).transpose(1, 2)", "return x.reshape(*x.shape[:2], -1, self.num_heads).permute(0, 3, 1, 2)"),
        ("biases not zero at first", "            init.zeros_(self.in_proj_bias)\n", "            init.ones_(self.in_proj_bias)\n"),
    ),
    *slips(
        "nn/weight_norm.py", EQUATIONS + " -k weight_norm",
        ("length ignored", "return v * (self.part(module, \"g\") / self.length(v))", "return v * self.part(module, \"g\")"),
        ("one length for all", "d != self.dim % v.ndim)", "True)"),
        ("begins at length 1", "Parameter(norm.length(weight.detach()))", "Parameter(norm.length(weight.detach()) * 0 + 1)"),
    ),
]  # fmt: skip
