"""The routes, one module a dialect or subject."""
