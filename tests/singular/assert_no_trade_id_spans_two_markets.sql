-- Exchanges number their trades per market: files that land with such bare ids lose trades to conflicting_duplicate.
-- It warns, because a row that is rejected is no failure of a run; `crypto import` writes ids that can't meet.
{{ config(severity='warn') }}

with conflicting as (
    select trade_id, symbol, exchange, source_file, source_row
    from {{ ref('screened_trades') }}
    where reason = 'conflicting_duplicate'
),

trades as (
    select trade_id, symbol, exchange
    from {{ ref('trades') }}
)

select
    conflicting.trade_id, conflicting.symbol, conflicting.exchange, conflicting.source_file, conflicting.source_row,
    trades.symbol as kept_symbol, trades.exchange as kept_exchange
from conflicting
inner join trades on conflicting.trade_id = trades.trade_id
where conflicting.symbol != trades.symbol or conflicting.exchange != trades.exchange
