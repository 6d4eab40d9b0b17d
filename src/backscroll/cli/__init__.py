"""The command line: one module per noun, put together in ``main``."""
