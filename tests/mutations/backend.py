"""Slips in kernels, threads, kept memory and random streams."""

from . import slips

LAYERS = "tests/test_cpu_layers.py tests/test_kernels.py"
INTERRUPTS = "tests/test_interrupts.py"
CONV = "tests/test_cpu_conv.py"
KERNELS = "tests/test_kernels.py"

SLIPS = [
    *slips(
        "backend/cpu/gemm.py", KERNELS + " -k products",
        ("a share of the sum is lost", "return np.sum(shares, axis=0, out=out)", "return np.sum(shares[:1], axis=0, out=out)"),
        ("the last part of the sum is lost", "    chunk = -(-k // threads)\n    shares", "    chunk = k // threads\n    k = chunk * threads\n    shares"),
        ("all shares in one place", "out=shares[i // chunk]), k, chunk)", "out=shares[0]), k, chunk)"),
        ("columns cut one short", "lambda i, j: multiply(a, b[:, i:j], out=out[:, i:j])", "lambda i, j: multiply(a, b[:, i : j - (j < n)], out=out[:, i : j - (j < n)])"),
        ("rows over all", "lambda i, j: multiply(a[i:j], b, out=out[i:j])", "lambda i, j: multiply(a[: j - i], b, out=out[i:j])"),
    ),
    *slips(
        "backend/cpu/norm.py", LAYERS + " -k 'norm or standardize or far or statistics or pieces'",
        ("far from zero in one pass", "    if (mean * mean <= _SAFE * var).all():", "    if True:"),
        ("gradient far from zero in one pass", "    if (np.square(mean * rstd) <= _SAFE).all():", "    if True:"),
        ("means of pieces not joined", "(squares.sum(1) + (sizes * np.square(means - mean[:, None])).sum(1)) / sizes.sum()", "squares.sum(1) / sizes.sum()"),
        ("all pieces weigh the same", "sizes = np.minimum(length, length_of_all - length * np.arange(count))", "sizes = np.full(count, length)"),
        ("the mean's share of the gradient", "    products = products - mean * sums", "    products = products * 1"),
        ("gradient's shift", "shift = -sums / pixels - slopes * mean", "shift = -sums / pixels"),
        ("slope applied to the gradient twice", "        grads = grads if slope is None else dx\n", "        grads = grads\n"),
    ),
    *slips(
        "backend/cpu/activation.py", "tests/test_cpu_layers.py -k activations",
        ("leaky relu by the minimum", "return np.maximum(x, np.multiply(x, slope", "return np.minimum(x, np.multiply(x, slope"),
        ("tanh's gradient", "np.subtract(1, term, out=term)", "np.add(1, term, out=term)"),
        ("sigmoid overflows early", "limit = 88.0 if x.dtype == np.float32 else 700.0", "limit = 8.0 if x.dtype == np.float32 else 700.0"),
        ("the logarithm loses what one swallows", "    out += lost\n", "    pass\n"),
        ("softplus without its positive part", "    out += np.clip(x, 0, np.inf, out=u)", "    pass"),
        ("targets of another kind are taken as they are", " or (x.shape, x.dtype) != (t.shape, t.dtype):", ":"),
        ("sigmoid of the other sign", "        np.negative(x, out=out)\n", "        out[...] = x\n"),
    ),
    *slips(
        "backend/cpu/optim.py", "tests/test_cpu_layers.py -k 'adam or equation'",
        ("what lies in no order is left out", "            portable.apply_to_many(equation, [row])", "            pass"),
        ("only whole pieces", "range(0, row[0].size, PIECE)", "range(0, row[0].size - PIECE + 1, PIECE)"),
    ),
    *slips(
        "backend/cpu/blas.py", "tests/test_cpu_layers.py tests/test_equations.py -k 'adam or optimisers'",
        ("factors exchanged", "function(y.size, a, x.ctypes.data, 1, b, y.ctypes.data, 1)", "function(y.size, b, x.ctypes.data, 1, a, y.ctypes.data, 1)"),
    ),
    *slips(
        "backend/cpu/product.py", "tests/test_cpu_layers.py -k 'products or linear'",
        ("gradient of the weight transposed", "gemm.matmul_loop(g.T, x, dw, half)", "gemm.matmul_loop(g.T, x * 1.01, dw, half)"),
        ("bias's gradient of one row", "return np.ones(len(g), g.dtype) @ g", "return g[0] * len(g)"),
    ),
    *slips(
        "backend/cpu/pieces.py", "tests/test_cpu_layers.py",
        ("the last piece is lost", "    for start in range(0, size, PIECE):", "    for start in range(0, size - PIECE + 1, PIECE):"),
        ("orders of memory mixed up", "        if all(part is not None for part in flat):\n            return flat", "        if flat[0] is not None:\n            return [a.reshape(-1) if part is None else part for a, part in zip(arrays, flat)]"),
    ),
    *slips(
        "backend/cpu/workspace.py", "tests/test_kernels.py tests/test_cpu_workspace.py -k 'workspace or scratch or kept or bound or keeps'",
        ("no bound", "    return scratch_bytes <= _limit", "    return True"),
        ("bound of one thread", "b.size for each in _all_buffers()", "b.size for each in [_shelf.buffers]"),
        ("newest makes way first", "next(iter(list(_kept)), None)", "next(reversed(list(_kept)), None)"),
        ("outlives its array", "weakref.ref(array, gone)", "weakref.ref(array)"),
        ("one buffer for all names", "buffer = buffers.get(name)\n", "buffer = next(iter(buffers.values()), None)\n"),
        ("handed out twice", "_kept.pop((id(array), name), (None, None, 0))", "_kept.get((id(array), name), (None, None, 0))"),
        ("unaligned", "start = -raw.ctypes.data % _ALIGNMENT", "start = 1"),
    ),
    *slips(
        "backend/cpu/winograd.py", CONV,
        ("the patch above is forgotten", "return piece._replace(r0=max(0, piece.r0 - 1))", "return piece"),
        ("outputs outside are written", "    if target.shape[1] == m * rows and target.shape[2] == m * tw:", "    if target.shape[1] == m * rows and target.shape[2] >= m * tw - 1:"),
        ("shares of the weight gradient", "    for share in range(1, shares):\n        sums[0] += sums[share]", "    for share in range(2, shares):\n        sums[0] += sums[share]", CONV + " tests/test_cpu_workspace.py"),
        ("later images overwrite", "        if n0 == 0:\n            taps[:, :, start:stop] = part", "        if True:\n            taps[:, :, start:stop] = part"),
    ),
    *slips(
        "backend/cpu/direct.py", CONV,
        ("the same padding on both axes", "padded_rows(x, piece, piece.r0 * stride[0] - padding[0], count, padding[1], width)", "padded_rows(x, piece, piece.r0 * stride[0] - padding[0], count, padding[0], width)"),
        ("windows past the end", "last = min(oh, (piece.r1 - 1 + padding[0]) // stride[0] + 1)", "last = min(oh, (piece.r1 - 1) // stride[0] + 1)"),
        ("the last share is lost", "    np.sum(sums, axis=0, out=dw.reshape(sums.shape[1:]))", "    np.sum(sums[: max(1, shares - 1)], axis=0, out=dw.reshape(sums.shape[1:]))"),
    ),
    *slips(
        "backend/cpu/conv.py", CONV + " tests/test_ops.py -k 'path or conv'",
        ("dilated windows by winograd", "    if not known or groups != 1 or dilation != (1, 1):", "    if not known or groups != 1:"),
        ("groups by winograd", "    if not known or groups != 1 or dilation != (1, 1):", "    if not known or dilation != (1, 1):"),
    ),
    *slips(
        "backend/cpu/mixture.py", "tests/test_gmm.py",
        ("off-diagonal halved", "np.where(i == j, -0.5, -1)", "np.where(i == j, -0.5, -0.5)"),
        ("maximum not added back", "    total += top\n    return total", "    return total"),
        ("blocks after the first are lost", "        _added(totals[0], part)\n", "        pass\n"),
    ),
    *slips(
        "backend/portable.py", "tests/test_ops.py tests/test_equations.py -k 'sigmoid or softplus or norm or relu'",
        ("softplus of large numbers", "return xp.add(out, xp.maximum(x, 0))", "return xp.add(out, xp.minimum(x, 0))"),
        ("norm without eps", "    rstd = 1 / xp.sqrt(var + eps)\n    xp.multiply", "    rstd = 1 / xp.sqrt(var)\n    xp.multiply"),
        ("momentum inverted", "running *= 1 - momentum\n        running += momentum * batch", "running *= momentum\n        running += (1 - momentum) * batch"),
        ("gradient without the mean", "        dx = xp.subtract(h, h.mean(axis=dims, keepdims=True, dtype=x.dtype))\n", "        dx = h.copy()\n"),
    ),
    *slips(
        "backend/cuda/arrays.py", "tests/test_memory_order.py",
        ("axes turned and not turned back", "return result.transpose(back)", "return result.transpose(order)"),
        ("fewer axes aligned at the first", "x[(None,) * (len(order) - x.ndim)]", "x[(..., *(None,) * (len(order) - x.ndim))]"),
        ("what is repeated decides", "return None if 0 in strides or", "return None if"),
        ("reductions stride through memory", "if every and not x.flags.c_contiguous and", "if False and"),
    ),
    *slips(
        "backend/portable.py", "tests/test_memory_order.py",
        ("a norm forgets the order", "out = xp.subtract(x, mean)", "out = x - mean"),
        ("an activation forgets the order", "return xp.add(xp.maximum(x, 0), xp.multiply(xp.minimum(x, 0), slope))", "return xp.maximum(x, 0) + slope * xp.minimum(x, 0)"),
    ),
    *slips(
        "backend/cuda/columns.cuh", "tests/test_cuda_norm.py",
        ("no barrier between writing and reading", "        __syncthreads();\n", ""),
        ("a row too many", "row + (UNDER_WAY - 1) * step < last", "row + (UNDER_WAY - 1) * step <= last"),
    ),
    *slips(
        "backend/cuda/norm.cu", "tests/test_cuda_norm.py",
        ("sets joined as if their means were equal", "between * between * a.count * share", "0.f"),
        ("squares of large numbers", "pack.at[k] - own.at[k];", "pack.at[k];"),
    ),
    *slips(
        "backend/cuda/activation.cu", "tests/test_cuda_activation.py",
        ("large numbers overflow", "expf(-fabsf(x))", "expf(x)"),
        ("the last thread writes past the end", "    if (first >= n) return;\n", ""),
    ),
    *slips(
        "backend/cuda/activation.py", "tests/test_cuda_activation.py",
        ("numbers read as they are numbered", "operands = [a.transpose(order) for a in operands]", "pass"),
        ("one by one is too slow, four too many", "x.size % 4 == 0 and ", ""),
        ("other layouts read as they are", "[xp.ascontiguousarray(a) for a in operands]", "list(operands)"),
    ),
    *slips(
        "backend/cuda/columns.py", "tests/test_cuda_norm.py",
        ("16 bytes from any address", "all(a.data.ptr % 16 == 0 for a in arrays)", "True"),
        ("four channels that are not there", "columns % 4 == 0 and ", ""),
    ),
    *slips(
        "backend/cuda/norm.py", "tests/test_cuda_norm.py",
        ("vectors with gaps", "a.shape != shape or not a.flags.c_contiguous for", "a.shape != shape for"),
        ("vectors of another shape", "a.shape != shape or ", ""),
    ),
    *slips(
        "backend/random.py", "tests/test_random.py tests/test_loop.py -k 'stream or seed or draws or distributions'",
        ("all streams alike", "    return [_seed, zlib.crc32(name.encode())]", "    return [_seed, 0]"),
        ("streams of others go on", "    for name in _streams:\n        _streams[name].restart(_stream_seed(name))", "    for name in ():\n        _streams[name].restart(_stream_seed(name))"),
        ("half of a word is lost", "            \"has_uint32\": state[\"has_uint32\"],", "            \"has_uint32\": 0,"),
        ("streams that were not drawn from keep their place", "        if name not in state[\"streams\"]:\n            _streams[name].restart(_stream_seed(name))", "        pass"),
        ("a child waits for its parent's lock", "    os.register_at_fork(after_in_child=_after_fork_in_child)", "    pass", "tests/test_random.py"),
        ("a child begins anew", "        host.state = each._host.bit_generator.state\n", "", "tests/test_random.py"),
        ("integers reach the top", "integers(low, high, shape, dtype=np.int64)", "integers(low, high + 1, shape, dtype=np.int64)", "tests/test_random.py"),
    ),
    *slips(
        "backend/random.py", "tests/test_cuda_random.py",
        ("a seed does not reach the GPU", "            generator.restore(self._beginning(index))", "            pass"),
        ("unused generators are saved", " if words != self._beginning(i)}", "}"),
    ),
    *slips(
        "backend/cuda/philox.cu", "tests/test_cuda_random.py",
        ("every draw the same numbers", "Word n = used + i;", "Word n = i;"),
        ("the count has 32 bits", "static_cast<unsigned>(n >> 32)", "0"),
        ("a number too many", "if (2 * i + 1 < size) out", "out"),
        ("numbers behind the end", "4 * i + 3 < size", "4 * i < size"),
        ("too small a deviation", "-2.f * logf", "-1.9f * logf"),
    ),
    *slips(
        "backend/cpu/threads.py", "tests/test_cpu_threads.py",
        ("the last piece too long", "self.function(start, min(start + self.chunk, self.n))", "self.function(start, start + self.chunk)"),
        ("errors of pieces swallowed", "            loop.error = loop.error or error\n", ""),
        ("pieces taken twice", "iter(range(0, n, chunk))", "iter(range(0, n, max(1, chunk // 2)))"),
        ("leaves without its workers", "        for loop in loops:\n            loop._wait()\n        del", "        del"),
        ("an interrupt leaves BLAS limited", "    except BaseException:\n        _blas_limit.end()\n        raise", "    except BaseException:\n        raise", INTERRUPTS),
        ("an interrupt leaves a worker waiting", "        _abandon(loops)\n        _under_way.pop", "        _under_way.pop", INTERRUPTS),
    ),
    *slips(
        "backend/block.py", INTERRUPTS,
        ("stays as it is inside", "        setattr(self.state, self.name, blocks[last][1])\n", ""),
        ("ends outer ones", "        setattr(self.state, self.name, blocks[last][1])\n", "        setattr(self.state, self.name, blocks[0][1])\n", "tests/test_autograd.py"),
        ("an end that can be missed", "    __exit__ = _End()", "    __exit__ = _leave"),
        ("the last one ends", "blocks[last][0] is not self", "False"),
    ),
]  # fmt: skip
