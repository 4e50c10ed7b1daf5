"""What the server remembers: records, and the world that holds and finds them. No HTTP here."""
