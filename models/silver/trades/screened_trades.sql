-- Grain: one row per row of bronze.trades.
{{ config(
    unique_key=['source_file', 'source_row'],
    meta={'returns': 'changes', 'lineage_columns': ['revision']},
    liquid_clustered_by=['traded_at'],
    tblproperties={'delta.dataSkippingStatsColumns': 'source_file,source_row,traded_at,batch_id,revision'},
) }}

{% set last_batch = high_water_mark('batch_id') -%}
{% set rescreen_filter = in_files_to_rescreen('trades', this, last_batch) -%}

with trades as (
    select
        trade_id, symbol, exchange, trade_type, price, volume, traded_at, user_id, reason as row_reason, trade_key,
        raw_trade_id, raw_symbol, raw_price, raw_volume, raw_trade_type, raw_exchange, raw_timestamp, raw_user_id,
        source_file, source_row, file_modified_at, ingestion_timestamp, batch_id
    from {{ ref('normalised_trades') }}
),

new_trades as (
    select *, 'new' as earlier_reason, symbol as earlier_symbol, exchange as earlier_exchange
    from trades
    where batch_id > {{ last_batch }}
),

new_trade_keys as (
    {{ new_trade_keys(last_batch) }}
),

{% if rescreen_filter -%}
rows_to_rescreen as (
    {{ rows_to_rescreen(this, last_batch) }}
),

trades_to_rescreen as (
    select
        trades.*,
        rows_to_rescreen.earlier_reason, rows_to_rescreen.earlier_symbol, rows_to_rescreen.earlier_exchange
    from trades
    inner join rows_to_rescreen
        on trades.source_file = rows_to_rescreen.source_file and trades.source_row = rows_to_rescreen.source_row
    where {{ rescreen_filter }}
),

{% endif -%}
candidates as (
    select new_trades.* from new_trades
    {{- ' union all select trades_to_rescreen.* from trades_to_rescreen' if rescreen_filter }}
),

candidate_keys as (
    select trade_key from new_trade_keys
    {{- ' union all select trade_key from rows_to_rescreen' if rescreen_filter }}
),

screened as (
    {{ resolve_duplicates('candidates', 'candidate_keys') }}
),

final as (
    select
        trade_id, symbol, exchange, trade_type, price, volume,
        cast(price * volume as decimal(38, 16)) as quote_volume,
        traded_at, cast(traded_at as date) as trade_date, user_id, reason,
        {% for column in raw_columns() -%}
        if(reason is null, null, raw_{{ column }}) as raw_{{ column }},
        {% endfor -%}
        source_file, source_row, file_modified_at, ingestion_timestamp, batch_id, trade_key,
        cast({{ highest_value('revision') + 1 }} as bigint) as revision, false as is_deleted
    from screened
    where
        reason is distinct from earlier_reason
        or symbol is distinct from earlier_symbol
        or exchange is distinct from earlier_exchange
)

select * from final
