"""wacli.db of wacli, a WhatsApp client for the command line."""
