"""Conversations: the message tree of a thread, and what of it goes into a prompt."""
