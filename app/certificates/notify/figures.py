"""Metrics of messages to people; templates and states are bounded labels."""

from prometheus_client import Counter, Gauge


class NotifyMetrics:
    def __init__(self) -> None:
        self.asked = Counter("giftmark_notifications_asked", "Messages asked for, repetitions out")
        self.ended = Counter(
            "giftmark_notifications_ended", "Messages that are over", ["template", "state"]
        )
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
