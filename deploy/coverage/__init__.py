"""What the customer's flowcharts name, line by line, with the code and the tests of each.

    python -m deploy.coverage

Writes `deploy/notes/coverage-certificates.md` from `certificates.toml`; refuses a line whose
code or test is not there.
"""
