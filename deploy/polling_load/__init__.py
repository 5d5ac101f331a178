"""Two thousand open orders polled for a minute: within every remote limit, fair to the smallest.

    python -m deploy.polling_load [--participants 20] [--orders 2000] [--seconds 60]
        [--workers 1] [--mode status|list] [--data FOLDER]

Starts a broker, a database, the emulator and services workers of its own, gives each big
participant its share of orders that the station keeps PENDING, and one more participant a single
order. Prints calls a second, memory and gaps; ends with 1 when a remote limit was passed or the
single order had to wait for more than two intervals.
"""
