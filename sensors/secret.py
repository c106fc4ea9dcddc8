"""A secret that cannot print itself. It knows neither where it came from nor what it opens."""


class Secret:
    """A password or key. `str`, `repr`, formatting, JSON and pickling never show it; only `reveal` does."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Wrap `value`."""
        self._value = value

    def reveal(self) -> str:
        """The secret itself. Call it where it is handed over, and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        """Stars, whatever the length."""
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        """Stars."""
        return "***"

    def __eq__(self, other: object) -> bool:
        """Equal contents."""
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        """By content, so that configurations can be compared."""
        return hash(self._value)

    def __reduce__(self) -> str:
        """Secrets are never pickled."""
        raise TypeError("a secret is not pickled")
