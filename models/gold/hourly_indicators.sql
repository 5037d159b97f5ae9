-- Grain: one row per symbol and hour with trades.
{{ config(unique_key=['symbol', 'window_start']) }}

with

hours as (

    select
        symbol,
        window_start,
        {{ as_double('high') }} as high,
        {{ as_double('low') }} as low,
        {{ as_double('close') }} as close,
        volume,
        quote_volume
    from {{ ref('candles_1h') }}

),

bars as (

    select
        *,
        cast(row_number() over (partition by symbol order by window_start) as bigint) as bars_seen,
        close - lag(close) over (partition by symbol order by window_start) as change,
        {{ true_range('high', 'low', 'close', bar='window_start') }} as true_range
    from hours

),

averages as (

    select
        *,
        {{ ema('close', 12) }} as ema_12,
        {{ ema('close', 26) }} as ema_26,
        {{ macd('close') }} as macd,
        {{ rsi('change', 14) }} as rsi_14,
        {{ atr('true_range', 14) }} as atr_14,
        {{ rolling_vwap('quote_volume', 'volume', 24) }} as vwap_24
    from bars

),

signals as (

    select *, {{ ema('macd', 9, first=26) }} as macd_signal
    from averages

),

final as (

    select symbol, window_start, close, ema_12, ema_26, macd, macd_signal, rsi_14, atr_14, vwap_24, bars_seen
    from signals

)

select * from final
