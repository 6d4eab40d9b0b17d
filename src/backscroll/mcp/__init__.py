"""Answering programs that read the archive for a language model."""
