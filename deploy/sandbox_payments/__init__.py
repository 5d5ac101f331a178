"""Stand-in of the payment system: hears refund requests and answers in All_Payments.

It shares no code with the product and runs as a process of its own.

Start
    python -m deploy.sandbox_payments --bootstrap HOST:PORT [--seed N] [--manner NAME] [--port 0]
    prints one line {"port", "url", "pid"} when it reads; ends on SIGTERM and with its parent.

Manners (how it treats a request; `manners.py`): prompt, initiated, silent, late, twice,
    backwards, failing, bouncing, repenting, overtaken, other_amount, asks_details, pays_twice,
    unnamed, any. `any` takes one of the others by seed, request and attempt: the same seed and
    the same requests give the same words.

Control, JSON in and out, 400 with {"error"} on a wrong request:
    GET  /health
    PUT  /manner {manner, certificateId?}   for one certificate, else for all that come
    GET  /requests                          what was asked, said and paid so far
    POST /say {refundRequestId, status, attempt?, version?, amount?, unnamed?, reason?}
         says it now; what is left out continues what was said: the newest attempt, the next
         version, the amount asked for.
"""
