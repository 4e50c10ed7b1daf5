"""What the admins of a server set for it, what follows from that for its stories, and the log of what they did."""
