"""The database: its tables, how it is opened and migrated. Queries live with what they serve."""
