"""What people and bots do, carried out on the world: checks, changes, events. No HTTP here."""
