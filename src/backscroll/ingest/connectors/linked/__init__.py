"""Events from the process of a linked device: WhatsApp's own protobuf as JSON. See linked.md."""
