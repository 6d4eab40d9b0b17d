"""The process of one linked device: WhatsApp's events into a spool on disk, and from there to the server.

It runs by itself (``python -m backscroll.linked.child``), because the library for WhatsApp's protocol may crash its
process, and because it has a different licence. Nothing else imports this room or that library.
"""
