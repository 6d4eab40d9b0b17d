"""The routes, one module per dialect or subject."""
