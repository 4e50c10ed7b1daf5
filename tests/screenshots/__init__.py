"""The pictures in `docs/images`, taken of the real programs: `make screenshots`. No tests are in here."""
