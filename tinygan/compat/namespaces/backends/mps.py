"""`torch.backends.mps`: Apple's GPUs are not supported."""


def is_available() -> bool:
    return False


is_built = is_available
