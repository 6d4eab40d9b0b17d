"""Backups of WhatsApp on Android: msgstore.db, plain or encrypted, with the names in wa.db."""
