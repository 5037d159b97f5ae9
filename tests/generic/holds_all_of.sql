{#-
    One row if candles do not hold exactly the trades of the relation that they were computed from: their number, volume
    and quote volume in total. `of_trades` tells that the relation has trades, not candles.
-#}
{% test holds_all_of(model, finer, of_trades=false) %}

with candles as (

    select
        coalesce(sum(trade_count), 0) as trade_count,
        sum(volume) as volume,
        {{ capped_sum('quote_volume') }} as quote_volume
    from {{ model }}

),

finer as (

    select
        coalesce({{ 'count(*)' if of_trades else 'sum(trade_count)' }}, 0) as finer_trade_count,
        sum(volume) as finer_volume,
        {{ capped_sum('quote_volume') }} as finer_quote_volume
    from {{ finer }}

),

compared as (

    select
        candles.trade_count, finer.finer_trade_count,
        candles.volume, finer.finer_volume,
        candles.quote_volume, finer.finer_quote_volume
    from candles
    cross join finer

)

select * from compared
where
    trade_count <> finer_trade_count
    or volume is distinct from finer_volume
    or quote_volume is distinct from finer_quote_volume

{% endtest %}
