"""Payloads pushed by gateways: one module for each sender, with pure functions of a payload."""
