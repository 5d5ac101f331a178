"""The certificate half under a seeded scheduler: its laws after every step, its end in agreement.

    python -m deploy.simulation [--seeds N] [--first S] [--jobs J]

Real parts: translation of foreign messages, commit drafts of the ledger, certificate and order
law, publishing, and the books of the Payments stand-in. Played parts: the broker (lists in
memory), clocks, people. The scheduler delivers in any order between keys, twice, late, and ends
processes between any two steps. A seed is a whole history: the same number plays it again.
"""
