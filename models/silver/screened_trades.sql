-- Grain: one row per row of bronze.trades.
{{
    config(
        unique_key=['source_file', 'source_row'],
        returns='changes',
        lineage_columns=['revision'],
        on_schema_change='fail',
    )
}}

{% set payload = ['traded_at', 'price', 'volume', 'symbol', 'exchange', 'trade_type', 'user_id'] -%}

with trades as (
    select * from {{ ref('normalised_trades') }}
),

new_trades as (
    select * from trades
    where batch_id > (select coalesce(max(batch_id), 0) from {{ earlier(this) }})
),

touched_before as (
    {{ touched_rows(earlier(this), 'new_trades') }}
),

candidates as (
    select new_trades.*, 'new' as earlier_reason from new_trades
    union all
    select trades.*, touched_before.earlier_reason from trades
    inner join touched_before
        on trades.source_file = touched_before.source_file and trades.source_row = touched_before.source_row
),

-- Few ids come more than once: only their rows are worth sorting.
repeated_keys as (
    select trade_key from candidates
    group by trade_key
    having count(*) > 1
),

copies as (
    select
        candidates.source_file, candidates.source_row,
        struct({{ payload | join(', ') }}) as payload,
        first_value(struct({{ payload | join(', ') }})) over kept_first as kept_payload,
        row_number() over kept_first as place
    from candidates
    left semi join repeated_keys on candidates.trade_key = repeated_keys.trade_key
    where candidates.reason is null
    window kept_first as (
        partition by candidates.trade_key, candidates.trade_id
        order by
            {% for column in payload %}{{ column }} nulls last, {% endfor %}
            {% for column in raw_columns() %}raw_{{ column }} nulls last, {% endfor %}source_file, source_row
    )
),

losers as (
    select
        source_file as loser_file, source_row as loser_row,
        if(payload = kept_payload, 'duplicate', 'conflicting_duplicate') as loser_reason
    from copies
    where place > 1
),

screened as (
    select
        candidates.* except (reason),
        coalesce(candidates.reason, losers.loser_reason) as reason
    from candidates
    left join losers on candidates.source_file = losers.loser_file and candidates.source_row = losers.loser_row
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
