{#-
    Candles computed from trades. An incremental run returns each window in which a trade was added, removed or changed
    since the last run, computed from all its trades, and a tombstone (is_deleted) for each of them that has no trade
    left. The first run returns all windows.

    interval    '1 minute', '5 minute', '1 hour', '1 day' ... (see window_start)
    keys        what a candle belongs to, such as a symbol and exchange

    The first and last trade of a window are sought only among those at its first and last instant: ordering all trades
    by (traded_at, trade_id) would sort them on Spark, and hold them all in memory on Sail.
-#}
{% macro candles_from_trades(interval, keys=['symbol']) %}
    {%- set last_revision = high_water_mark('revision') -%}
    {%- set key = keys | join(', ') ~ ', window_start' %}
    with {% if last_revision > 0 -%}
    changed_windows as (
        {{ changed_windows(interval, last_revision, keys) }}
    ),

    {% endif -%}
    trades as (
        select
            {{ keys | join(', ') }},
            {{ window_start('traded_at', interval) }} as window_start,
            trade_id, traded_at, trade_type, price, volume, quote_volume
        from {{ ref('trades') }}
        where {{ in_changed_time_spans('traded_at', interval, last_revision) }}
    ),

    trades_in_windows as (
        select trades.* from trades
        {%- if last_revision > 0 %}
        left semi join changed_windows on
            {%- for column in keys %} trades.{{ column }} = changed_windows.{{ column }} and{% endfor %}
            trades.window_start = changed_windows.window_start
        {%- endif %}
    ),

    windows as (
        select
            {{ key }},
            min(price) as low, max(price) as high,
            sum(volume) as volume,
            sum(case when trade_type = 'BUY' then volume else 0 end) as buy_volume,
            {{ capped_sum('quote_volume') }} as quote_volume,
            count(*) as trade_count,
            min(traded_at) as first_trade_at, max(traded_at) as last_trade_at
        from trades_in_windows
        group by {{ key }}
    ),

    edges as (
        select
            {% for column in keys %}windows.{{ column }}, {% endfor %}windows.window_start,
            min_by(price, trade_id) filter (where traded_at = first_trade_at) as open,
            max_by(price, trade_id) filter (where traded_at = last_trade_at) as close
        from windows
        inner join trades_in_windows on
            {%- for column in keys %} windows.{{ column }} = trades_in_windows.{{ column }} and{% endfor %}
            windows.window_start = trades_in_windows.window_start
            and trades_in_windows.traded_at in (windows.first_trade_at, windows.last_trade_at)
        group by {% for column in keys %}windows.{{ column }}, {% endfor %}windows.window_start
    ),

    candles as (
        select * from windows left join edges using ({{ key }})
    )

    {{ candle_columns('candles', key, ref('screened_trades'), 'changed_windows' if last_revision > 0) }}
{% endmacro %}
