"""What a test does with the server: play members, look at everything, order faults, turn the clock."""
