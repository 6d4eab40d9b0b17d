"""WhatsApp's "Export chat": a text file, a zip or a folder, from Android and iOS, in any language."""
