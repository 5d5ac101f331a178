"""Loads a large batch through the command and the public route, and proves what became of it.

    python -m deploy.loading [--rows N] [--kills] [--workers W] [--data FOLDER]

A broker, a database, ledger workers and a services worker of its own; a CSV file of N fresh
codes; `python -m app load`. With `--kills` the loader, a ledger worker and the services worker
are killed on the way and started again. At the end every row must be issued exactly once, and
the mart must agree with the ledger to the last certificate.
"""
