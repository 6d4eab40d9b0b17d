-- compatible from: 41
-- What of a message, chat or phone a line of the feed changed (storage/records/aspects.py); NULL where that is not
-- known, as in lines of older programs.
ALTER TABLE changes ADD COLUMN aspects TEXT;
