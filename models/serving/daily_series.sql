-- Grain: one row per symbol and calendar day, as published in daily_metrics.
with

metrics as (

    select
        symbol, symbol_name, metric_date, open, high, low, close, volume, quote_volume, vwap, trade_count,
        is_filled, is_complete, return_1d
    from {{ source('crypto', 'daily_metrics') }}

),

indicators as (

    select
        symbol, metric_date, sma_7, sma_30, sma_200, ema_12, ema_26, macd, macd_signal, macd_histogram, rsi_14,
        bollinger_middle, bollinger_upper, bollinger_lower, atr_14, vwap_7, vwap_30, volatility_30, drawdown
    from {{ source('crypto', 'trading_indicators') }}

),

joined as (

    select
        metrics.symbol, metrics.symbol_name, metrics.metric_date,
        metrics.open, metrics.high, metrics.low, metrics.close,
        metrics.volume, metrics.quote_volume, metrics.vwap, metrics.trade_count,
        metrics.is_filled, metrics.is_complete, metrics.return_1d,
        indicators.sma_7, indicators.sma_30, indicators.sma_200, indicators.ema_12, indicators.ema_26,
        indicators.macd, indicators.macd_signal, indicators.macd_histogram, indicators.rsi_14,
        indicators.bollinger_middle, indicators.bollinger_upper, indicators.bollinger_lower,
        indicators.atr_14, indicators.vwap_7, indicators.vwap_30, indicators.volatility_30, indicators.drawdown
    from metrics
    left join indicators on metrics.symbol = indicators.symbol and metrics.metric_date = indicators.metric_date

)

select * from joined
