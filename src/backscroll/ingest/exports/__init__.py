"""Importing exported chats."""
