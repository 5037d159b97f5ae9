"""The trades of fetched days on their way into the landing zone: their sides, their ids, and the log of the days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

import numpy as np
import pyarrow as pa

from lakehouse.settings import Settings
from market_data import day_files
from market_data.day_files import EPOCH, DayFile
from market_data.fetch.fetch_log import FetchLog
from market_data.fetch.plan import DAY, FetchOptions
from market_data.markets import Market
from market_data.normalise import TickRule, with_column, with_sides
from market_data.ordering import moments
from market_data.trade_files import WITHOUT_IDS

MICROSECONDS = 86_400_000_000


class Landing:
    """Writes the trades of a market's days and remembers these days."""

    def __init__(self, settings: Settings, options: FetchOptions, market: Market) -> None:
        self.settings, self.options, self.market = settings, options, market
        self.log = FetchLog(settings, market)
        self.first_ids: dict[date, int | None] = {}

    def write(
        self, days: tuple[date, ...], kind: str, batches: Iterable[pa.RecordBatch], *, are_over: bool = True
    ) -> Iterator[DayFile]:
        """Write the trades of these days, leaving out those of others, and yield a file for each, even an empty one.

        Days that were not over when their trades were got are not remembered, so that they are fetched anew.
        """
        files = day_files.write(
            self.settings,
            self.market,
            self._complete(days, batches),
            kind=WITHOUT_IDS if self.options.without_ids else kind,
            may_replace=self.options.may_replace,
            days=days,
        )
        for file in files:
            if are_over:
                self.log.add(file, self.first_ids.get(file.day))
            yield file

    def _complete(self, days: tuple[date, ...], batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the trades of some days with a side, and with ids that no other day has."""
        rule = TickRule() if self.options.tick_rule else None
        numbers = [(day - EPOCH).days for day in days]
        for batch in batches:
            rows = batch.filter(pa.array(np.isin(moments(batch) // MICROSECONDS, numbers)))
            if not rows.num_rows:
                continue
            if self.options.without_ids:
                rows = with_column(rows, "id", pa.nulls(rows.num_rows))
            else:
                self._check_ids(rows)
            yield with_sides(rows, rule, str(self.market))

    def _check_ids(self, rows: pa.RecordBatch) -> None:
        """Compare the id of each day's first trade with the days that are known; ids that are no numbers are not."""
        day_of = moments(rows) // MICROSECONDS
        for number in np.unique(day_of).tolist():
            day = EPOCH + number * DAY
            if day not in self.first_ids:
                first = rows.column("id")[int(np.argmax(day_of == number))].as_py()
                self.first_ids[day] = int(first) if str(first or "").isdigit() else None
                self.log.check_first_id(day, self.first_ids[day])
