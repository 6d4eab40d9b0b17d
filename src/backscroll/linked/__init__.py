"""The process of one linked device: WhatsApp's events into a spool on disk, and from there to the server.

It runs by itself (``python -m backscroll.linked.child``), because the library that speaks WhatsApp's protocol may end
the process that it runs in, and because its licence is another one. Nothing else imports this room or that library.
"""
