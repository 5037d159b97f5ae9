"""Times as sources write them: numbers since 1970 in any unit, or text, become microseconds in UTC."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

TIME = pa.timestamp("us", "UTC")
# Numbers below these are seconds, milliseconds and microseconds; larger ones are nanoseconds. Each limit lies between
# the year 1973 of the smaller unit and the year 5138 of the larger.
UNITS = ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1))
NANOSECONDS = 1_000


def to_microseconds(values: pa.Array) -> pa.Array:
    """Return times with the type TIME. Numbers have the unit that their size tells; text without a zone is in UTC.

    Raise pyarrow.ArrowInvalid for text that is no time.
    """
    if pa.types.is_timestamp(values.type):
        if values.type.tz is None:
            values = values.cast(pa.timestamp(values.type.unit, "UTC"))
        return values.cast(TIME, safe=False)
    if pa.types.is_date(values.type):
        return values.cast(pa.timestamp("us")).cast(TIME)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return _from_text(values)
    numbers = values.to_numpy(zero_copy_only=False)
    if np.issubdtype(numbers.dtype, np.integer):
        return _of_numbers(numbers).cast(TIME)
    missing = np.isnan(numbers)
    found = _of_numbers(np.where(missing, 0, numbers))
    return (pc.if_else(pa.array(missing), None, found) if missing.any() else found).cast(TIME)


def unit(values: pa.Array) -> str:
    """Return how times are written, in words for the user."""
    if pa.types.is_temporal(values.type):
        return "as such"
    try:
        first = float(values[0].as_py() if len(values) else 0)
    except ValueError:
        return "as text"
    names = ("in seconds", "in milliseconds", "in microseconds")
    return next((name for name, (limit, _) in zip(names, UNITS, strict=True) if first < limit), "in nanoseconds")


def _of_numbers(numbers: np.ndarray) -> pa.Array:
    largest = numbers.max(initial=0)
    for limit, factor in UNITS:
        # One file has one unit, as a rule.
        if largest < limit and (limit == UNITS[0][0] or numbers.min(initial=largest) >= limit / 1_000):
            return pa.array(_scaled(numbers, factor))
    choices = [_scaled(numbers, factor) for _, factor in UNITS]
    conditions = [numbers < limit for limit, _ in UNITS]
    return pa.array(np.select(conditions, choices, numbers.astype(np.int64) // NANOSECONDS))


def _scaled(numbers: np.ndarray, factor: int) -> np.ndarray:
    if np.issubdtype(numbers.dtype, np.integer):
        return numbers * factor
    # A double holds seconds since 1970 to a quarter of a microsecond.
    return np.rint(numbers * factor).astype(np.int64)


def _from_text(values: pa.Array) -> pa.Array:
    text = pc.utf8_trim_whitespace(values)
    if pc.all(pc.match_substring_regex(text, r"^[0-9]+(\.[0-9]+)?$")).as_py():
        return to_microseconds(text.cast(pa.float64() if pc.any(pc.match_substring(text, ".")).as_py() else pa.int64()))
    text = pc.replace_substring_regex(text, r" ?UTC$", "Z")
    has_zone = pc.match_substring_regex(text, r"(Z|[+-]\d\d:?\d\d)$")
    text = pc.if_else(has_zone, text, pc.binary_join_element_wise(text, "Z", ""))
    try:
        return text.cast(pa.timestamp("ns", "UTC")).cast(TIME, safe=False)
    except pa.ArrowInvalid as error:
        wrong = re.search(r"'(.*?)'", str(error))
        raise pa.ArrowInvalid(
            f"{wrong[1].removesuffix('Z') if wrong else 'some text'} is no time that is known here; write times as "
            "2024-01-05 12:00:00, in UTC"
        ) from error
