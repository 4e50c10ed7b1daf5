"""The subcommands of `python -m training`, a module each: its options, and the call that does the work.

Only argparse is imported at the top of these modules, so that `--help` answers at once.
"""
