"""Further modules of `tinygan.nn`."""
