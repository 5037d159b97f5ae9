{#-
    A query of the rows that earlier runs have screened and this run must screen again, since their reason may change:
    the rows of every trade id that new rows repeat, and of every id with a row whose reason the reference data
    contradicts (its file was withdrawn or restored, its symbol or exchange is now known). It gives source_file,
    source_row, batch_id, trade_key and earlier_reason.

    screened      the table screened_trades as the last run left it
    last_batch    the high-water mark: raw rows of later batches are new
-#}
{% macro rows_to_rescreen(screened, last_batch) %}
    with withdrawn_files as (
        select source_file as withdrawn_file
        from {{ source('bronze', 'withdrawn_files') }}
    ),

    known_names as (
        select 'unknown_symbol' as reason, upper(symbol) as name
        from {{ source('bronze', 'symbols') }}
        union all
        select 'unknown_exchange' as reason, upper(exchange) as name
        from {{ source('bronze', 'exchanges') }}
    ),

    changed_keys as (
        {{ new_trade_keys(last_batch) }}
        union
        select screened.trade_key
        from {{ screened }} as screened
        left join withdrawn_files on screened.source_file = withdrawn_files.withdrawn_file
        left join known_names
            on
                screened.reason = known_names.reason
                and known_names.name = upper(
                    if(
                        screened.reason = 'unknown_symbol',
                        {{ trimmed('screened.raw_symbol') }},
                        {{ trimmed('screened.raw_exchange') }}
                    )
                )
        where
            known_names.name is not null
            or (withdrawn_files.withdrawn_file is not null) != coalesce(screened.reason = 'withdrawn', false)
    ),

    buckets as (
        select distinct {{ key_bucket('trade_key') }} as bucket
        from changed_keys
    ),

    rows_in_buckets as (
        select /*+ broadcast(buckets) */ source_file, source_row, batch_id, trade_key, reason as earlier_reason
        from {{ screened }} as screened
        left semi join buckets on {{ key_bucket('screened.trade_key') }} = buckets.bucket
    )

    select source_file, source_row, batch_id, trade_key, earlier_reason
    from rows_in_buckets
    left semi join changed_keys on rows_in_buckets.trade_key = changed_keys.trade_key
{% endmacro %}
