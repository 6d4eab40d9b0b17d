"""Backscroll: a self-hosted archive for WhatsApp messages."""
