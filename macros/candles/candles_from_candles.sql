{#-
    Coarser candles from finer ones, equal to those computed from trades: the windows that trades have
    touched since the table's last run, each computed whole, and a tombstone for each that has emptied.

    finer       the relation of finer candles, whose windows lie whole within the coarser ones
    interval    '1 hour', '1 day' ... (see window_start)

    The revision written is the finer table's, not the trades': should that one be behind, as after a build of
    a part of the project, the same windows are looked at again when it has caught up.
-#}
{% macro candles_from_candles(finer, interval) %}
    with touched as (
        {{ touched_windows(interval) }}
    ),

    finer_candles as (
        select
            symbol,
            {{ window_start('window_start', interval) }} as window_start,
            window_start as finer_start,
            open, high, low, close, volume, buy_volume, quote_volume, trade_count, first_trade_at, last_trade_at
        from {{ finer }}
    ),

    windows as (
        select
            finer_candles.symbol, finer_candles.window_start,
            min_by(open, finer_start) as open, max(high) as high,
            min(low) as low, max_by(close, finer_start) as close,
            sum(volume) as volume, sum(buy_volume) as buy_volume, sum(quote_volume) as quote_volume,
            sum(trade_count) as trade_count,
            min(first_trade_at) as first_trade_at, max(last_trade_at) as last_trade_at
        from finer_candles
        left semi join touched
            on finer_candles.symbol = touched.symbol and finer_candles.window_start = touched.window_start
        group by finer_candles.symbol, finer_candles.window_start
    )

    {{ candle_columns('touched left join windows using (symbol, window_start)', 'symbol, window_start',
        finer) }}
{% endmacro %}
