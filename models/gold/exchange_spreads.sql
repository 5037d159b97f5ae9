-- Grain: one row per symbol, exchange and calendar day with trades there.
{{ config(unique_key=['symbol', 'exchange', 'metric_date']) }}

with

exchange_days as (

    select symbol, exchange, cast(window_start as date) as metric_date, close, volume, last_trade_at
    from {{ ref('exchange_candles_1d') }}

),

market_days as (

    select symbol, cast(window_start as date) as metric_date, close, volume
    from {{ ref('candles_1d') }}

),

spreads as (

    select
        exchange_days.symbol,
        exchange_days.exchange,
        exchange_days.metric_date,
        exchange_days.close as exchange_close,
        market_days.close as market_close,
        ({{ as_double('exchange_days.close') }} / {{ as_double('market_days.close') }} - 1) * 10000 as spread_bps,
        {{ as_double('exchange_days.volume') }} / {{ as_double('market_days.volume') }} as volume_share,
        exchange_days.last_trade_at
    from exchange_days
    inner join market_days
        on exchange_days.symbol = market_days.symbol and exchange_days.metric_date = market_days.metric_date

)

select * from spreads
