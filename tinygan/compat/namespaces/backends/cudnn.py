"""`torch.backends.cudnn`: there is no cuDNN in tinygan, whose kernels always compute alike."""

benchmark, deterministic, enabled, allow_tf32 = False, True, False, False


def is_available() -> bool:
    return False


def version() -> None:
    return None
