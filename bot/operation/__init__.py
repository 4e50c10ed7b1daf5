"""What the operator does beyond one server: training runs, which model answers where, comparisons, and the way from
members' verdicts to training data. Knows no Discord: ids in, rows and values out."""
