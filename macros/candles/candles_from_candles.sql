{#-
    Coarser candles from finer ones, equal to those computed from trades: the windows that trades have
    touched since the table's last run, each computed whole, and a tombstone for each that has emptied.
    The first run takes all windows.

    finer       the relation of finer candles, whose windows lie whole within the coarser ones
    interval    '1 hour', '1 day' ... (see window_start)

    The revision written is the finer table's, not the trades': should that one be behind, as after a build of
    a part of the project, the same windows are looked at again when it has caught up.
-#}
{% macro candles_from_candles(finer, interval) %}
    {%- set taken = taken_in('revision') %}
    with finer_candles as (
        select
            symbol,
            {{ window_start('window_start', interval) }} as window_start,
            window_start as finer_start,
            open, high, low, close, volume, buy_volume, quote_volume, trade_count, first_trade_at, last_trade_at
        from {{ finer }}
        where {{ in_touched_spans('window_start', interval, taken) }}
    ),

    {% if taken > 0 -%}
    touched as (
        {{ touched_windows(interval, taken) }}
    ),

    {% endif -%}
    windows as (
        select
            finer_candles.symbol, finer_candles.window_start,
            min_by(open, finer_start) as open, max(high) as high,
            min(low) as low, max_by(close, finer_start) as close,
            sum(volume) as volume, sum(buy_volume) as buy_volume, sum(quote_volume) as quote_volume,
            sum(trade_count) as trade_count,
            min(first_trade_at) as first_trade_at, max(last_trade_at) as last_trade_at
        from finer_candles
        {%- if taken > 0 %}
        left semi join touched
            on finer_candles.symbol = touched.symbol and finer_candles.window_start = touched.window_start
        {%- endif %}
        group by finer_candles.symbol, finer_candles.window_start
    )

    {{ candle_columns('windows', 'symbol, window_start', finer, 'touched' if taken > 0) }}
{% endmacro %}
