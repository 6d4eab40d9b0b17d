"""The answers of Periskope's API as events."""
