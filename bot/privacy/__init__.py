"""Members' own data: all of it as a file, all of it deleted, and whether it may be trained on."""
