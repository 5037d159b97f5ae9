"""The trades of fetched days on their way into the landing zone: their sides, their ids, and the log of the days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date

import numpy as np
import pyarrow as pa

from lakehouse.settings import Settings
from market_data import day_files
from market_data.day_files import EPOCH, DayFile
from market_data.fetch.fetch_log import FetchLog
from market_data.fetch.plan import FetchOptions
from market_data.markets import Market
from market_data.normalise import TickRule, with_column, with_sides
from market_data.ordering import DAY, moments
from market_data.trade_files import WITHOUT_IDS


class Landing:
    """Writes the trades of fetched days.

    ``read`` counts all rows, ``left_out`` those that are not written, by why, ``missing`` ids that are not there.
    """

    def __init__(self, settings: Settings, options: FetchOptions) -> None:
        self.settings, self.options = settings, options
        self.read = self.missing = 0
        self.left_out: Counter[str] = Counter()

    def write(
        self,
        market: Market,
        days: tuple[date, ...],
        kind: str,
        batches: Iterable[pa.RecordBatch],
        *,
        are_whole: bool = True,
    ) -> Iterator[DayFile]:
        """Write the trades of a market's days, leaving out those of others, and yield a file for each, even if empty.

        Days that are not whole are not remembered, so that they are fetched anew.
        """
        files = day_files.write(
            self.settings,
            market,
            self._complete(market, days, batches),
            kind=WITHOUT_IDS if self.options.without_ids else kind,
            may_replace=self.options.may_replace,
            days=days,
        )
        log = FetchLog(self.settings, market)
        for file in files:
            if are_whole:
                log.add(file)
            yield file

    def _complete(
        self, market: Market, days: tuple[date, ...], batches: Iterable[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        """Yield the trades of some days with a side, and without ids if the user says so."""
        rule = TickRule() if self.options.tick_rule else None
        numbers = [(day - EPOCH).days for day in days]
        for batch in batches:
            rows = batch.filter(pa.array(np.isin(moments(batch) // DAY, numbers)))
            self.read += batch.num_rows
            self.left_out["of other days"] += batch.num_rows - rows.num_rows
            if not rows.num_rows:
                continue
            if self.options.without_ids:
                rows = with_column(rows, "id", pa.nulls(rows.num_rows))
            yield with_sides(rows, rule, str(market))
