-- Grain: one row per symbol and calendar day, as in daily_metrics.
{{ config(unique_key=['symbol', 'metric_date']) }}

with

days as (

    select
        symbol,
        metric_date,
        {{ as_double('high') }} as high,
        {{ as_double('low') }} as low,
        {{ as_double('close') }} as close,
        volume,
        quote_volume
    from {{ ref('daily_metrics') }}

),

bars as (

    select
        *,
        cast(row_number() over (partition by symbol order by metric_date) as bigint) as bars_seen,
        close - lag(close) over (partition by symbol order by metric_date) as change,
        {{ log_return('close', bar='metric_date') }} as log_return,
        {{ true_range('high', 'low', 'close', bar='metric_date') }} as true_range
    from days

),

averages as (

    select
        *,
        {{ sma('close', 7) }} as sma_7,
        {{ sma('close', 20) }} as bollinger_middle,
        {{ sma('close', 30) }} as sma_30,
        {{ sma('close', 200) }} as sma_200,
        {{ ema('close', 12) }} as ema_12,
        {{ ema('close', 26) }} as ema_26,
        {{ macd('close') }} as macd,
        {{ rsi('change', 14) }} as rsi_14,
        {{ bollinger('close', 2) }} as bollinger_upper,
        {{ bollinger('close', -2) }} as bollinger_lower,
        {{ atr('true_range', 14) }} as atr_14,
        {{ rolling_vwap('quote_volume', 'volume', 7) }} as vwap_7,
        {{ rolling_vwap('quote_volume', 'volume', 30) }} as vwap_30,
        {{ volatility('log_return', 30) }} as volatility_30,
        {{ drawdown('close') }} as drawdown
    from bars

),

-- The signal line is an average of macd, and a window function cannot contain another one.
signals as (

    select *, {{ ema('macd', 9, first=26) }} as macd_signal
    from averages

),

final as (

    select
        symbol, metric_date, close,
        sma_7, sma_30, sma_200,
        ema_12, ema_26,
        macd, macd_signal, macd - macd_signal as macd_histogram,
        rsi_14, bollinger_middle, bollinger_upper, bollinger_lower,
        atr_14,
        vwap_7, vwap_30, volatility_30,
        drawdown,
        bars_seen
    from signals

)

select * from final
