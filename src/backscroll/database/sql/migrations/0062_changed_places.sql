-- compatible from: 41
-- Where something changed: the phone and the chat of a message or chat, 0 for what concerns more than one. Answers that
-- are kept (http/page_cache.py) stay valid while nothing changes in the chats that they show.
ALTER TABLE changes ADD COLUMN phone BIGINT NOT NULL DEFAULT 0;
ALTER TABLE changes ADD COLUMN chat BIGINT NOT NULL DEFAULT 0;
