"""Further modules of `tinygan.optim`."""
