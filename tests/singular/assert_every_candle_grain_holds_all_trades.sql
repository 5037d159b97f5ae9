-- Trades, volume and quote volume are the same, exactly, in the trades and in the candles of every grain.
{% set candles = ['candles_1m', 'candles_1h', 'candles_1d', 'exchange_candles_1d'] %}

with grains as (
    select
        'trades' as grain,
        count(*) as trade_count, sum(volume) as volume, sum(quote_volume) as quote_volume
    from {{ ref('trades') }}
    {% for table in candles %}
    union all
    select
        '{{ table }}' as grain,
        coalesce(sum(trade_count), 0) as trade_count, sum(volume) as volume, sum(quote_volume) as quote_volume
    from {{ ref(table) }}
    {% endfor %}
),

different as (
    select grains.*
    from grains
    inner join grains as trades on trades.grain = 'trades'
    where
        grains.trade_count != trades.trade_count
        or grains.volume is distinct from trades.volume
        or grains.quote_volume is distinct from trades.quote_volume
)

select * from different
