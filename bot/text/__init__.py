"""What the bot shows, as values: splitting into messages, safe text, the pace of edits. No I/O, no Discord."""
