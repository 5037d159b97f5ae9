-- Grain: one row per symbol and day with trades.
{{
    config(
        unique_key=['symbol', 'window_start'],
        returns='changes',
        lineage_columns=['revision'],
        tblproperties={'delta.enableChangeDataFeed': 'true'},
    )
}}

with candles as (
    {{ candles_from_candles(ref('candles_1h'), '1 day') }}
)

select * from candles
