{#-
    Candles straight from trades: exactly the windows that trades have touched since the table's last run,
    each computed whole, and a tombstone (is_deleted) for each of them that has no trade any more.
    The first run takes all windows.

    interval    '1 minute', '5 minute', '1 hour', '1 day' ... (see window_start)
    keys        what a candle is per, besides its window

    Only trades at the first or last instant of a window can open or close it; looking for the smallest
    trade_id among those alone keeps the large aggregation a hash aggregation.
-#}
{% macro candles_from_trades(interval, keys=['symbol']) %}
    {%- set taken = taken_in('revision') -%}
    {%- set key = keys | join(', ') ~ ', window_start' %}
    with {% if taken > 0 -%}
    touched as (
        {{ touched_windows(interval, taken, keys) }}
    ),

    {% endif -%}
    trades as (
        select
            {{ keys | join(', ') }},
            {{ window_start('traded_at', interval) }} as window_start,
            trade_id, traded_at, trade_type, price, volume, quote_volume
        from {{ ref('trades') }}
        where {{ in_touched_spans('traded_at', interval, taken) }}
    ),

    touched_trades as (
        select trades.* from trades
        {%- if taken > 0 %}
        left semi join touched on
            {%- for column in keys %} trades.{{ column }} = touched.{{ column }} and{% endfor %}
            trades.window_start = touched.window_start
        {%- endif %}
    ),

    windows as (
        select
            {{ key }},
            min(price) as low, max(price) as high,
            sum(volume) as volume,
            sum(case when trade_type = 'BUY' then volume else 0 end) as buy_volume,
            sum(quote_volume) as quote_volume,
            count(*) as trade_count,
            min(traded_at) as first_trade_at, max(traded_at) as last_trade_at
        from touched_trades
        group by {{ key }}
    ),

    edges as (
        select
            {% for column in keys %}windows.{{ column }}, {% endfor %}windows.window_start,
            min_by(price, struct(traded_at, trade_id)) as open,
            max_by(price, struct(traded_at, trade_id)) as close
        from windows
        inner join touched_trades on
            {%- for column in keys %} windows.{{ column }} = touched_trades.{{ column }} and{% endfor %}
            windows.window_start = touched_trades.window_start
            and touched_trades.traded_at in (windows.first_trade_at, windows.last_trade_at)
        group by {% for column in keys %}windows.{{ column }}, {% endfor %}windows.window_start
    ),

    candles as (
        select * from windows left join edges using ({{ key }})
    )

    {{ candle_columns('candles', key, ref('screened_trades'), 'touched' if taken > 0) }}
{% endmacro %}
