"""Further modules of `tinygan.autograd`."""
