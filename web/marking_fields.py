"""Single fields of the marking API: what they may hold."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Discriminator, Field, StringConstraints, Tag, field_validator
from pydantic_core import PydanticCustomError

INN_FORM: Final = r"^(\d{10}|\d{12})$"
UUID_FORM: Final = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
LOGIN_FORM: Final = r"^[A-Za-z0-9._@-]{1,64}$"
# The type of errors whose message is the reason that the caller reads.
OWN_WORDS: Final = "own_words"
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Gtin = Annotated[str, StringConstraints(min_length=1, max_length=20)]
Ki = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Inn = Annotated[str, StringConstraints(pattern=INN_FORM)]
Uuid = Annotated[str, StringConstraints(pattern=UUID_FORM)]
Login = Annotated[str, StringConstraints(pattern=LOGIN_FORM)]
Password = Annotated[str, StringConstraints(min_length=10, max_length=200)]
Role = Literal["viewer", "operator", "signer", "admin"]
SignerKind = Literal["browser", "command", "http", "demo"]


def _form_of(codes: Any) -> str | None:
    if isinstance(codes, list):
        return "list"
    return "word" if codes == "all" else None


_ALL_OR_KI = Discriminator(
    _form_of, custom_error_type=OWN_WORDS, custom_error_message='Нужно "all" или список КИ'
)
_All = Annotated[Literal["all"], Tag("word")]
_Some = Annotated[list[Ki], Field(min_length=1, max_length=150_000), Tag("list")]
_Any = Annotated[list[Ki], Field(max_length=150_000), Tag("list")]
SomeCodes = Annotated[_All | _Some, _ALL_OR_KI]
AnyCodes = Annotated[_All | _Any, _ALL_OR_KI]


def holds_nul(value: Any) -> bool:
    """In a text, or anywhere in lists and objects of JSON."""
    match value:
        case str():
            return "\0" in value
        case list():
            return any(holds_nul(one) for one in value)
        case dict():
            return any(holds_nul(one) for member in value.items() for one in member)
    return False


class Form(BaseModel):
    """What is asked for; PostgreSQL keeps no NUL, so no text may hold one."""

    @field_validator("*")
    @classmethod
    def _without_nul(cls, value: Any) -> Any:
        if holds_nul(value):
            raise PydanticCustomError(OWN_WORDS, "Знак NUL недопустим")
        return value
