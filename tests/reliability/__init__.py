"""The promises under faults: real processes of the bot and of a worker, on the tests' Discord, killed or troubled at
random moments. After each trouble everything that was accepted must have been answered exactly once, or have failed
where people see it, and nothing may be left behind.

    python -m tests.reliability kills --count 1000
    python -m tests.reliability training --count 60
    python -m tests.reliability faults --rounds 10
    python -m tests.reliability load --minutes 10
"""
