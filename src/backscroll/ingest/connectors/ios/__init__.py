"""ChatStorage.sqlite of WhatsApp on iPhones and Macs."""
