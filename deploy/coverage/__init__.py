"""What the customer's flowcharts and specification name, line by line, with code and tests.

    python -m deploy.coverage

Writes `deploy/notes/coverage-certificates.md` from `certificates.toml`, and the same of
`marking.toml`; refuses a line whose code or test is not there.
"""
