"""Emulator of a gateway for SMS and e-mail: takes messages, and loses, delays, doubles, refuses.

It shares no code with the product and runs as a process of its own. What it "delivers" stands
in its memory only; it never writes a text or an address anywhere.

Start
    python -m deploy.sandbox_sms [--port 0] [--manner NAME]
    prints one line {"port", "url", "pid"} when it serves; ends on SIGTERM and with its parent.

The gateway
    POST /messages {id, channel: SMS or EMAIL, to, text, subject?} → 202 {messageId}
    GET  /messages/{id} → 200 {state: accepted, delivered or refused, messageId}, 404 unknown

Manners: what happens to a message (POST)
    prompt        taken, answered, delivered
    deaf          the connection ends before anything was taken
    mute          taken and delivered, the connection ends without an answer
    slow          taken and delivered, answered after `delay_ms`
    late          taken and answered, delivered after `delay_ms`
    hidden        as mute, and the id is unknown until `delay_ms` are over
    doubling      taken once, delivered twice
    refusing      422, the number does not exist
    repenting     taken and answered, refused afterwards
    busy          429 with Retry-After: 1
    broken        500, nothing was taken
    torn          500, though taken and delivered

Control, JSON in and out, 400 with {"error"} on a wrong request
    GET    /_sms/health
    PUT    /_sms/manner {manner, to?, times?, delay_ms?, silent?}
           for one address, else for all; after `times` messages prompt again; with `silent`
           questions are not answered either
    GET    /_sms/messages?to=&id=   what came in: {id, to, channel, text, subject, posts, delivered}
    DELETE /_sms/messages           forget everything, manners too
    GET    /                        the last messages for people, newest first
"""
