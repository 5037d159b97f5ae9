{#-
    Candles computed from finer ones, equal to those computed from trades. An incremental run returns each window in
    which a trade was added, removed or changed since the last run, computed from all its finer candles, and a tombstone
    (is_deleted) for each of them that has no trade left. The first run returns all windows.

    finer       the relation of finer candles, whose windows divide the coarser ones exactly
    interval    '1 hour', '1 day' ... (see window_start)

    The revision written is that of the finer candles, not of the trades: if those are behind, as after a build of only
    a part of the project, the next run computes the same windows again.
-#}
{% macro candles_from_candles(finer, interval) %}
    {%- set last_revision = high_water_mark('revision') %}
    with finer_candles as (
        select
            symbol,
            {{ window_start('window_start', interval) }} as window_start,
            window_start as finer_start,
            open, high, low, close, volume, buy_volume, quote_volume, trade_count, first_trade_at, last_trade_at
        from {{ finer }}
        where {{ in_changed_time_spans('window_start', interval, last_revision) }}
    ),

    {% if last_revision > 0 -%}
    changed_windows as (
        {{ changed_windows(interval, last_revision) }}
    ),

    {% endif -%}
    windows as (
        select
            finer_candles.symbol, finer_candles.window_start,
            min_by(open, finer_start) as open, max(high) as high,
            min(low) as low, max_by(close, finer_start) as close,
            sum(volume) as volume, sum(buy_volume) as buy_volume, {{ capped_sum('quote_volume') }} as quote_volume,
            sum(trade_count) as trade_count,
            min(first_trade_at) as first_trade_at, max(last_trade_at) as last_trade_at
        from finer_candles
        {%- if last_revision > 0 %}
        left semi join changed_windows
            on finer_candles.symbol = changed_windows.symbol
            and finer_candles.window_start = changed_windows.window_start
        {%- endif %}
        group by finer_candles.symbol, finer_candles.window_start
    )

    {{ candle_columns('windows', 'symbol, window_start', finer, 'changed_windows' if last_revision > 0) }}
{% endmacro %}
