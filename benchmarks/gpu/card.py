"""The card: its name, and the most that it multiplies and copies, as PyTorch reaches it."""

import statistics
import subprocess
import time

SIZE = 8192  # of the matrices
COPIED = 2**28  # numbers: a gibibyte


def measured():
    """Versions, TFLOP/s of a large product in three precisions, and TB/s of a copy."""
    import torch

    properties = torch.cuda.get_device_properties(0)
    tflops = {
        "tf32": _tflops(torch, torch.float32, True),
        "float32": _tflops(torch, torch.float32, False),
        "bf16": _tflops(torch, torch.bfloat16, False),
    }
    torch.backends.cuda.matmul.allow_tf32 = True
    copied = _copied(torch)
    torch.cuda.empty_cache()
    return {
        "card": properties.name,
        "memory_gib": round(properties.total_memory / 2**30, 1),
        "multiprocessors": properties.multi_processor_count,
        "driver": _driver(),
        "cuda": torch.version.cuda,
        "cudnn": str(torch.backends.cudnn.version()),
        "tflops": tflops,
        "copy_tb_s": round(copied, 2),
    }


def _tflops(torch, dtype, tf32):
    torch.backends.cuda.matmul.allow_tf32 = tf32
    a, b = (torch.randn(SIZE, SIZE, device="cuda", dtype=dtype) for _ in range(2))
    return round(2 * SIZE**3 / _seconds(torch, lambda: torch.matmul(a, b), 5) / 1e12, 1)


def _copied(torch):
    """TB/s, read and written."""
    x = torch.empty(COPIED, device="cuda")
    y = torch.empty_like(x)
    return 2 * 4 * COPIED / _seconds(torch, lambda: y.copy_(x), 20) / 1e12


def _seconds(torch, work, repeats, turns=5):
    times = []
    for _ in range(turns + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(repeats):
            work()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) / repeats)
    return statistics.median(times[1:])


def _driver():
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return answer.stdout.strip().split("\n")[0] or "unknown"
