-- Grain: one row per symbol, its latest day.
with

series as (

    select
        symbol, symbol_name, metric_date, close, return_1d, volume, quote_volume, trade_count, is_complete,
        sma_30, sma_200, rsi_14, macd_histogram, volatility_30, drawdown,
        max(metric_date) over (partition by symbol) as latest_date
    from {{ ref('daily_series') }}

),

latest as (

    select
        symbol, symbol_name, metric_date, close, return_1d, volume, quote_volume, trade_count, is_complete,
        sma_30, sma_200, rsi_14, macd_histogram, volatility_30, drawdown
    from series
    where metric_date = latest_date

)

select * from latest
