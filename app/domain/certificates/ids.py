"""Ids that name their own owner: `au_<id part>_<n>` and `rf_<id part>_<n>`."""

CERTIFICATE_PREFIX = "gc_"
AUTHORIZATION_PREFIX = "au_"
REFUND_PREFIX = "rf_"
_MOST_DIGITS = 9


def authorization_id(certificate_id: str, hold: int) -> str:
    return f"{AUTHORIZATION_PREFIX}{certificate_id[3:]}_{hold}"


def refund_request_id(certificate_id: str, refund: int) -> str:
    return f"{REFUND_PREFIX}{certificate_id[3:]}_{refund}"


def parse_authorization_id(text: str) -> tuple[str, int] | None:
    """(certificateId, number of the hold), or None if it cannot be one of ours."""
    return _parse(text, AUTHORIZATION_PREFIX)


def parse_refund_request_id(text: str) -> tuple[str, int] | None:
    """(certificateId, number of the refund), or None if it cannot be one of ours."""
    return _parse(text, REFUND_PREFIX)


def _parse(text: str, prefix: str) -> tuple[str, int] | None:
    part, separator, digits = text[3:].rpartition("_")
    if not (text.startswith(prefix) and separator and part):
        return None
    canonical = digits.isascii() and digits.isdecimal() and not digits.startswith("0")
    if not canonical or len(digits) > _MOST_DIGITS:
        return None
    return CERTIFICATE_PREFIX + part, int(digits)
