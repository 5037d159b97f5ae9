-- Grain: one row per row of bronze.trades.
{{ config(
    unique_key=['source_file', 'source_row'], returns='changes', lineage_columns=['revision'],
    liquid_clustered_by=['traded_at'],
    tblproperties={'delta.dataSkippingStatsColumns': 'source_file,source_row,traded_at,batch_id,revision'},
) }}

{% set taken = taken_in('batch_id') -%}
{% set touched = in_touched_files('trades', this, taken) -%}

with trades as (
    select
        trade_id, symbol, exchange, trade_type, price, volume, traded_at, user_id, reason, trade_key,
        raw_trade_id, raw_symbol, raw_price, raw_volume, raw_trade_type, raw_exchange, raw_timestamp, raw_user_id,
        source_file, source_row, file_modified_at, ingestion_timestamp, batch_id
    from {{ ref('normalised_trades') }}
),

new_trades as (
    select *, 'new' as earlier_reason
    from trades
    where batch_id > {{ taken }}
),

new_keys as (
    {{ new_keys(taken) }}
),

{% if touched -%}
touched_before as (
    {{ touched_rows(this, taken) }}
),

touched_trades as (
    select trades.*, touched_before.earlier_reason
    from trades
    inner join touched_before
        on trades.source_file = touched_before.source_file and trades.source_row = touched_before.source_row
    where {{ touched }}
),

{% endif -%}
candidates as (
    select new_trades.* from new_trades
    {{- ' union all select touched_trades.* from touched_trades' if touched }}
),

keys as (
    select trade_key from new_keys
    {{- ' union all select trade_key from touched_before' if touched }}
),

screened as (
    {{ contest('candidates', 'keys') }}
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
        cast({{ highest('revision') + 1 }} as bigint) as revision, false as is_deleted
    from screened
    where reason is distinct from earlier_reason
)

select * from final
