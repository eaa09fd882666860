"""PyTorch's namespaces that are not parts of tinygan.

This folder is a second place where Python looks for the modules of the package `tinygan` (its
subfolder `nn` one for those of `tinygan.nn`, and so on), so `import tinygan.utils.data` finds
`utils/data.py` here, and nothing is loaded before it is asked for.
"""
