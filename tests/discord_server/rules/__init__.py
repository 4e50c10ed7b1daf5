"""Discord's rules as pure functions: permissions, and what a form may hold."""
