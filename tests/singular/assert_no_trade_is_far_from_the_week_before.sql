-- A price more than 3 times that of the week before is a market's crash, or a file in another unit or currency. It
-- warns, because only somebody who looks can tell.
{{ config(severity='warn') }}

select trade_id, symbol, exchange, traded_at, price, median_7d, price_ratio
from {{ ref('price_outliers') }}
