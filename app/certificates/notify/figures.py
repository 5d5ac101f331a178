"""Metrics of messages to people; templates and states are bounded labels."""

import itertools

from prometheus_client import Counter, Gauge

from app.certificates.notify.course import ENDS
from app.certificates.notify.texts import TEMPLATES


class NotifyMetrics:
    def __init__(self) -> None:
        self.asked = Counter("giftmark_notifications_asked", "Messages asked for, repetitions out")
        self.ended = Counter(
            "giftmark_notifications_ended", "Messages that are over", ["template", "state"]
        )
        for template, state in itertools.product(TEMPLATES, ENDS):
            self.ended.labels(template, state)  # the first one counts as an increase
        self.sends = Counter(
            "giftmark_notification_sends", "Sends by what the gateway said", ["answer"]
        )
        self.questions = Counter(
            "giftmark_notification_questions", "Questions by what the gateway said", ["answer"]
        )
        self.waiting = Gauge("giftmark_notifications_waiting", "Messages that are not over")
        self.oldest_seconds = Gauge(
            "giftmark_notifications_oldest_seconds", "Age of the oldest message that is not over"
        )


NOTIFY = NotifyMetrics()
