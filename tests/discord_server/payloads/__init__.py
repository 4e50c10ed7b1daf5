"""Records as Discord writes them on the wire. Read-only: nothing here changes state."""
