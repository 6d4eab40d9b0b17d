-- Substring search: trigrams of the folded text, no positions, no copy of the text.
-- rowid is org * 2^40 + no. The scope column holds one trigram that names the chat (storage/search.py).
CREATE VIRTUAL TABLE search USING fts5 (
    text, scope, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram case_sensitive 1'
);
