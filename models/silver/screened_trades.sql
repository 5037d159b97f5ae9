-- Grain: one row per row of bronze.trades.
{{ config(
    unique_key=['source_file', 'source_row'], returns='changes', lineage_columns=['revision'], on_schema_change='fail',
    liquid_clustered_by=['traded_at'],
) }}

{% set payload = ['traded_at', 'price', 'volume', 'symbol', 'exchange', 'trade_type', 'user_id'] -%}

with trades as (
    select * from {{ ref('normalised_trades') }}
),

new_trades as (
    select *, 'new' as earlier_reason from trades
    where batch_id > (select coalesce(max(batch_id), 0) from {{ earlier(this) }})
),

new_keys as (
    select {{ trade_key(trimmed('trade_id')) }} as trade_key
    from {{ source('bronze', 'trades') }}
    where batch_id > (select coalesce(max(batch_id), 0) from {{ earlier(this) }})
),

touched_before as (
    {{ touched_rows(earlier(this), 'new_keys') }}
),

candidates as (
    select * from new_trades
    union all
    select trades.*, touched_before.earlier_reason
    from trades
    inner join touched_before
        on trades.source_file = touched_before.source_file and trades.source_row = touched_before.source_row
),

-- Rows that break a rule by themselves compete with nobody: each kind of reason is a contest of its own.
ranked as (
    select
        *,
        struct({{ payload | join(', ') }}) as payload,
        first_value(struct({{ payload | join(', ') }})) over kept_first as kept_payload,
        row_number() over kept_first as place
    from candidates
    window kept_first as (
        partition by trade_key, trade_id, reason
        order by
            {% for column in payload %}{{ column }} nulls last, {% endfor %}
            {% for column in raw_columns() %}raw_{{ column }} nulls last, {% endfor %}source_file, source_row
    )
),

screened as (
    select
        * except (reason),
        case
            when reason is not null then reason
            when place = 1 then null
            when payload = kept_payload then 'duplicate'
            else 'conflicting_duplicate'
        end as reason
    from ranked
),

next_revision as (
    select coalesce(max(revision), 0) + 1 as revision from {{ this }}
),

final as (
    select
        trade_id, symbol, exchange, trade_type, price, volume,
        cast(price * volume as decimal(38, 16)) as quote_volume,
        traded_at, cast(traded_at as date) as trade_date, user_id, reason,
        {% for column in raw_columns() %}if(reason is null, null, raw_{{ column }}) as raw_{{ column }}, {% endfor %}
        source_file, source_row, file_modified_at, ingestion_timestamp, batch_id, trade_key,
        next_revision.revision, false as is_deleted
    from screened
    cross join next_revision
    where reason is distinct from earlier_reason
)

select * from final
