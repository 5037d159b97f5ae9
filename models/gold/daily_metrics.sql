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

-- All symbols end on the market's last day: one that no longer trades stays flat instead of disappearing.
spans as (

    select symbol, min(metric_date) as first_day, max(max(metric_date)) over () as last_day
    from candles
    group by symbol

),

calendar as (

    select symbol, last_day, explode(sequence(first_day, last_day)) as metric_date
    from spans

),

days as (

    select
        calendar.symbol, calendar.metric_date, calendar.last_day,
        candles.open, candles.high, candles.low, candles.volume, candles.buy_volume, candles.sell_volume,
        candles.quote_volume, candles.vwap, candles.trade_count, candles.first_trade_at, candles.last_trade_at,
        last_value(candles.close) ignore nulls over (
            partition by calendar.symbol order by calendar.metric_date
        ) as last_close
    from calendar
    left join candles
        on calendar.symbol = candles.symbol and calendar.metric_date = candles.metric_date

),

filled as (

    select
        days.symbol, days.metric_date, symbols.symbol_name,
        coalesce(days.open, days.last_close) as open,
        coalesce(days.high, days.last_close) as high,
        coalesce(days.low, days.last_close) as low,
        days.last_close as close,
        coalesce(days.volume, 0) as volume,
        coalesce(days.buy_volume, 0) as buy_volume,
        coalesce(days.sell_volume, 0) as sell_volume,
        coalesce(days.quote_volume, 0) as quote_volume,
        coalesce(days.vwap, {{ as_double('days.last_close') }}) as vwap,
        coalesce(days.trade_count, 0) as trade_count,
        days.first_trade_at, days.last_trade_at,
        days.trade_count is null as is_filled,
        days.metric_date < days.last_day as is_complete,
        {{ as_double('days.last_close') }} / lag({{ as_double('days.last_close') }}) over (
            partition by days.symbol order by days.metric_date
        ) - 1 as return_1d
    from days
    left join symbols on days.symbol = symbols.symbol

)

select * from filled
