-- The two tables that the sync publishes; their columns are those of the gold models.
create table if not exists crypto.daily_metrics (
    symbol text not null,
    metric_date date not null,
    symbol_name text,
    open numeric(18, 8) not null check (open > 0),
    high numeric(18, 8) not null,
    low numeric(18, 8) not null check (low > 0),
    close numeric(18, 8) not null check (close > 0),
    volume numeric(28, 8) not null check (volume >= 0),
    buy_volume numeric(28, 8) not null check (buy_volume >= 0),
    sell_volume numeric(28, 8) not null check (sell_volume >= 0),
    quote_volume numeric(38, 16) not null check (quote_volume >= 0),
    vwap double precision not null check (vwap > 0),
    trade_count bigint not null check (trade_count >= 0),
    first_trade_at timestamptz,
    last_trade_at timestamptz,
    is_filled boolean not null,
    is_complete boolean not null,
    return_1d double precision,
    primary key (symbol, metric_date),
    constraint daily_metrics_symbol_known foreign key (symbol) references crypto.symbols (symbol),
    constraint daily_metrics_prices_ordered check (low <= least(open, close) and greatest(open, close) <= high),
    constraint daily_metrics_trades_ordered check (first_trade_at <= last_trade_at)
);

-- Dashboards ask for the newest days of all symbols as often as for all days of one.
create index if not exists daily_metrics_metric_date on crypto.daily_metrics (metric_date);

comment on table crypto.daily_metrics is
'One row per symbol and calendar day, from its first trade to the last day of the whole market.';
comment on column crypto.daily_metrics.symbol is 'Symbol of the asset.';
comment on column crypto.daily_metrics.metric_date is 'Calendar day in UTC.';
comment on column crypto.daily_metrics.symbol_name is 'Name of the asset.';
comment on column crypto.daily_metrics.open is 'Price of the first trade; on a filled day the previous close.';
comment on column crypto.daily_metrics.high is 'Highest price; on a filled day the previous close.';
comment on column crypto.daily_metrics.low is 'Lowest price; on a filled day the previous close.';
comment on column crypto.daily_metrics.close is 'Price of the last trade; on a filled day the previous close.';
comment on column crypto.daily_metrics.volume is 'Traded units of the asset.';
comment on column crypto.daily_metrics.buy_volume is 'Traded units of buying trades.';
comment on column crypto.daily_metrics.sell_volume is 'Traded units of selling trades.';
comment on column crypto.daily_metrics.quote_volume is 'Sum of price times volume.';
comment on column crypto.daily_metrics.vwap is 'Volume-weighted average price; on a filled day the previous close.';
comment on column crypto.daily_metrics.trade_count is 'Number of trades.';
comment on column crypto.daily_metrics.first_trade_at is 'Time of the first trade, null on a filled day.';
comment on column crypto.daily_metrics.last_trade_at is 'Time of the last trade, null on a filled day.';
comment on column crypto.daily_metrics.is_filled is 'True if nobody traded that day.';
comment on column crypto.daily_metrics.is_complete is 'True if a trade of a later day has been seen.';
comment on column crypto.daily_metrics.return_1d is 'Close by previous close, less 1; null on the first day.';

create table if not exists crypto.trading_indicators (
    symbol text not null,
    metric_date date not null,
    close double precision not null check (close > 0),
    sma_7 double precision,
    sma_30 double precision,
    sma_200 double precision,
    ema_12 double precision,
    ema_26 double precision,
    macd double precision,
    macd_signal double precision,
    macd_histogram double precision,
    rsi_14 double precision check (rsi_14 between 0 and 100),
    bollinger_middle double precision,
    bollinger_upper double precision,
    bollinger_lower double precision,
    atr_14 double precision check (atr_14 >= 0),
    vwap_7 double precision check (vwap_7 > 0),
    vwap_30 double precision check (vwap_30 > 0),
    volatility_30 double precision check (volatility_30 >= 0),
    drawdown double precision check (drawdown between -1 and 0),
    bars_seen bigint not null check (bars_seen > 0),
    primary key (symbol, metric_date),
    constraint trading_indicators_symbol_known foreign key (symbol) references crypto.symbols (symbol),
    constraint trading_indicators_bands_ordered check (bollinger_lower <= bollinger_upper)
);

create index if not exists trading_indicators_metric_date on crypto.trading_indicators (metric_date);

comment on table crypto.trading_indicators is
'One row per symbol and calendar day, as in daily_metrics: indicators of its daily closes, null before their first bar.';
comment on column crypto.trading_indicators.symbol is 'Symbol of the asset.';
comment on column crypto.trading_indicators.metric_date is 'Calendar day in UTC.';
comment on column crypto.trading_indicators.close is 'Close of the day.';
comment on column crypto.trading_indicators.sma_7 is 'Mean of the last 7 closes.';
comment on column crypto.trading_indicators.sma_30 is 'Mean of the last 30 closes.';
comment on column crypto.trading_indicators.sma_200 is 'Mean of the last 200 closes.';
comment on column crypto.trading_indicators.ema_12 is 'Exponential mean of the closes over 12 bars.';
comment on column crypto.trading_indicators.ema_26 is 'Exponential mean of the closes over 26 bars.';
comment on column crypto.trading_indicators.macd is 'ema_12 less ema_26.';
comment on column crypto.trading_indicators.macd_signal is 'Exponential mean of macd over 9 bars.';
comment on column crypto.trading_indicators.macd_histogram is 'macd less macd_signal.';
comment on column crypto.trading_indicators.rsi_14 is 'Wilder''s relative strength index over 14 bars, 0 to 100.';
comment on column crypto.trading_indicators.bollinger_middle is 'Mean of the last 20 closes.';
comment on column crypto.trading_indicators.bollinger_upper is 'bollinger_middle plus 2 population deviations.';
comment on column crypto.trading_indicators.bollinger_lower is 'bollinger_middle less 2 population deviations.';
comment on column crypto.trading_indicators.atr_14 is 'Wilder''s average true range over 14 bars.';
comment on column crypto.trading_indicators.vwap_7 is 'Volume-weighted price of the last 7 days, null without volume.';
comment on column crypto.trading_indicators.vwap_30 is 'Volume-weighted price of the last 30 days, null without volume.';
comment on column crypto.trading_indicators.volatility_30 is 'Deviation of the last 30 log returns, a year (root of 365).';
comment on column crypto.trading_indicators.drawdown is 'Close by the highest close so far, less 1.';
comment on column crypto.trading_indicators.bars_seen is 'Number of rows of the symbol so far.';
