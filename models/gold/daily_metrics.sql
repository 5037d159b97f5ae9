-- Grain: one row per symbol and calendar day, from its first trade to the last day of the whole market.
{{ config(unique_key=['symbol', 'metric_date']) }}

with

candles as (

    select
        symbol, cast(window_start as date) as metric_date,
        open, high, low, close, volume, buy_volume, sell_volume, quote_volume,
        vwap, trade_count, first_trade_at, last_trade_at
    from {{ ref('candles_1d') }}

),

symbols as (

    select symbol, name as symbol_name
    from {{ source('bronze', 'symbols') }}

),

-- The last day is the market's, not the symbol's own: one that no longer trades stays flat, it does not vanish.
spans as (

    select symbol, min(metric_date) as first_day, max(max(metric_date)) over () as last_day
    from candles
    group by symbol

),

calendar as (

    select symbol, last_day, explode(sequence(first_day, last_day)) as metric_date
    from spans

),

closes as (

    select
        calendar.symbol,
        calendar.metric_date,
        calendar.metric_date < calendar.last_day as is_complete,
        last_value(candles.close) ignore nulls over (
            partition by calendar.symbol order by calendar.metric_date
        ) as close
    from calendar
    left join candles on calendar.symbol = candles.symbol and calendar.metric_date = candles.metric_date

),

filled as (

    select
        closes.symbol, closes.metric_date, symbols.symbol_name,
        coalesce(candles.open, closes.close) as open,
        coalesce(candles.high, closes.close) as high,
        coalesce(candles.low, closes.close) as low,
        closes.close,
        coalesce(candles.volume, 0) as volume,
        coalesce(candles.buy_volume, 0) as buy_volume,
        coalesce(candles.sell_volume, 0) as sell_volume,
        coalesce(candles.quote_volume, 0) as quote_volume,
        coalesce(candles.vwap, cast(closes.close as double)) as vwap,
        coalesce(candles.trade_count, 0) as trade_count,
        candles.first_trade_at, candles.last_trade_at,
        candles.symbol is null as is_filled,
        closes.is_complete,
        cast(closes.close as double) / lag(cast(closes.close as double)) over (
            partition by closes.symbol order by closes.metric_date
        ) - 1 as return_1d
    from closes
    left join candles on closes.symbol = candles.symbol and closes.metric_date = candles.metric_date
    left join symbols on closes.symbol = symbols.symbol

)

select * from filled
