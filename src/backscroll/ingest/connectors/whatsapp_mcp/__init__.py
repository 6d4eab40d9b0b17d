"""messages.db of the whatsapp-mcp bridges (lharries, and verygoodplugins who carry it on)."""
