"""The words that every other room speaks: messages, events, ids, queries, errors."""
