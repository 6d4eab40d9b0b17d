"""Taking in exported chats."""
