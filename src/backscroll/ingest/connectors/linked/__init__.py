"""What the process of a linked device tells: WhatsApp's own protobuf as JSON. See linked.md."""
