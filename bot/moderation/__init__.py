"""Checking texts with a moderation service: which categories there are and which ratings bear them, two kinds of
services, and what is checked when. Only that something was blocked is kept, never what."""
