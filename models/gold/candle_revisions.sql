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

{% set commits = unprocessed_commits(this, ref('candles_1d')) -%}

with newest_batch as (
    select max(batch_id) as batch_id from {{ ref('screened_trades') }}
),

candles as (
    select symbol, window_start from {{ ref('candles_1d') }}
),

{% for commit in commits -%}
earlier_{{ commit.version }} as (
    select symbol, window_start, {{ columns | join(', ') }}
    from {{ ref('candles_1d') }} version as of {{ commit.version - 1 }}
),

later_{{ commit.version }} as (
    select symbol, window_start, {{ columns | join(', ') }}
    from {{ ref('candles_1d') }} version as of {{ commit.version }}
),

{% endfor -%}
-- One row per column of a candle, with its values before and after the commit.
compared as (
    {% for commit in commits -%}
    select
        earlier.symbol, earlier.window_start,
        timestamp '{{ commit.committed_at }}' as revised_at, cast({{ commit.version }} as bigint) as candle_version,
        stack(
            {{ columns | length }}
            {%- for column in columns %},
            '{{ column }}', cast(earlier.{{ column }} as string), cast(later.{{ column }} as string)
            {%- endfor %}
        ) as (column_name, old_value, new_value)
    from earlier_{{ commit.version }} as earlier
    left join later_{{ commit.version }} as later
        on earlier.symbol = later.symbol and earlier.window_start = later.window_start
    union all
    {% endfor -%}
    select
        symbol, window_start, cast(null as timestamp) as revised_at, cast(0 as bigint) as candle_version,
        stack(1, '', '', '') as (column_name, old_value, new_value)
    from candles
    where false
),

final as (
    select
        compared.symbol, compared.window_start, compared.column_name, compared.old_value, compared.new_value,
        compared.revised_at, newest_batch.batch_id, compared.candle_version, false as is_deleted
    from compared
    cross join newest_batch
    where compared.old_value is distinct from compared.new_value
)

select * from final
