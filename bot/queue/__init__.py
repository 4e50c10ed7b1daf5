"""The queue of answers to be written: rows in the database, so that nothing is lost with the process."""
