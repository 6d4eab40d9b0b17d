"""Periskope's API in its own words: parse, render, render errors."""
