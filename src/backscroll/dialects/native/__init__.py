"""Backscroll's own API below ``/api``: parsing requests, rendering answers and errors."""
