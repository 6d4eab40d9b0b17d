"""Pulling from a server that speaks Periskope's API."""
