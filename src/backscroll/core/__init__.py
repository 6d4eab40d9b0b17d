"""The types that all other rooms share: messages, events, ids, queries, errors."""
