-- Grain: one row per symbol that has traded, as of the last day of the market.
{{ config(unique_key=['symbol']) }}

with

days as (

    select symbol, metric_date, symbol_name, {{ as_double('close') }} as close, volume, is_complete, return_1d
    from {{ ref('daily_metrics') }}

),

indicators as (

    select symbol, metric_date, rsi_14, drawdown
    from {{ ref('trading_indicators') }}

),

symbols as (

    select symbol, category, is_active
    from {{ source('bronze', 'symbols') }}

),

changes as (

    select
        *,
        close / lag(close, 7) over (partition by symbol order by metric_date) - 1 as change_7d,
        close / lag(close, 30) over (partition by symbol order by metric_date) - 1 as change_30d,
        {{ rolling('sum(volume)', 'volume', 30, bar='metric_date') }} as volume_30d,
        row_number() over (partition by symbol order by metric_date desc) as days_back
    from days

),

overview as (

    select
        changes.symbol,
        changes.symbol_name,
        symbols.category,
        symbols.is_active,
        changes.metric_date as as_of,
        changes.is_complete,
        changes.close,
        changes.return_1d as change_1d,
        changes.change_7d,
        changes.change_30d,
        changes.volume_30d,
        indicators.rsi_14,
        case
            when indicators.rsi_14 >= 70 then 'overbought'
            when indicators.rsi_14 <= 30 then 'oversold'
            when indicators.rsi_14 is not null then 'neutral'
        end as rsi_zone,
        indicators.drawdown as distance_to_high
    from changes
    inner join indicators
        on changes.symbol = indicators.symbol and changes.metric_date = indicators.metric_date
    left join symbols on changes.symbol = symbols.symbol
    where changes.days_back = 1

)

select * from overview
