-- Row conservation: rows of bronze.trades = rows of silver.trades + rows of silver.rejected_trades.
with raw_rows as (
    select source_file, source_row from {{ source('bronze', 'trades') }}
),

screened_rows as (
    select source_file, source_row from {{ ref('trades') }}
    union all
    select source_file, source_row from {{ ref('rejected_trades') }}
),

counted as (
    select
        (select count(*) from raw_rows) as rows_landed,
        (select count(*) from screened_rows) as rows_screened
)

select * from counted
where rows_landed != rows_screened
