-- Grain: one row per daily candle, column and commit that changed or emptied what an earlier run had built.
{{
    config(
        unique_key=['symbol', 'window_start', 'column_name', 'candle_version'],
        meta={'returns': 'changes'},
        full_refresh=false,
        on_schema_change='fail',
        post_hook="{{ record_processed_version(this, ref('candles_1d')) }}",
    )
}}

{% set columns = [
    'open', 'high', 'low', 'close', 'volume', 'buy_volume', 'sell_volume', 'quote_volume', 'vwap',
    'trade_count', 'first_trade_at', 'last_trade_at',
] -%}

with changes as (
    {{ unprocessed_changes(this, ref('candles_1d')) }}
),

newest_batch as (
    select max(batch_id) as batch_id from {{ ref('screened_trades') }}
),

-- One row per column of a candle before or after a commit.
unpivoted as (
    select
        symbol, window_start, _commit_version, _commit_timestamp, _change_type,
        stack(
            {{ columns | length }}
            {%- for column in columns %},
            '{{ column }}', cast({{ column }} as string)
            {%- endfor %}
        ) as (column_name, value)
    from changes
    where _change_type in ('update_preimage', 'update_postimage', 'delete')
),

paired as (
    select
        symbol, window_start, column_name,
        max(case when _change_type in ('update_preimage', 'delete') then value end) as old_value,
        max(case when _change_type = 'update_postimage' then value end) as new_value,
        max(_commit_timestamp) as revised_at,
        _commit_version as candle_version
    from unpivoted
    group by symbol, window_start, column_name, _commit_version
),

final as (
    select
        paired.symbol, paired.window_start, paired.column_name, paired.old_value, paired.new_value,
        paired.revised_at, newest_batch.batch_id, paired.candle_version, false as is_deleted
    from paired
    cross join newest_batch
    where paired.old_value is distinct from paired.new_value
)

select * from final
