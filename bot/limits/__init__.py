"""Quotas: how many answers a member, a role, a server may have in a day and at the same time."""
