"""Backscroll's own API below ``/api``: parse, render, render errors."""
