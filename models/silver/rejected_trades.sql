-- Grain: one row per row of bronze.trades that does not count.
{{ config(materialized='view', contract={'enforced': false}) }}

with screened_trades as (
    select
        {% for column in raw_columns() %}raw_{{ column }} as {{ column }}, {% endfor %}
        source_file, source_row, file_modified_at, ingestion_timestamp, batch_id, reason
    from {{ ref('screened_trades') }}
),

rejected_trades as (
    select *
    from screened_trades
    where reason is not null
)

select * from rejected_trades
