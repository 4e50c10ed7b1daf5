"""Everything that touches Discord: the client, its cogs and buttons, and the showing of answers in threads."""
