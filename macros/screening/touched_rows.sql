{#-
    The rows, screened by earlier runs, that have to be screened again: every copy of an id that came anew, or
    of which one copy has a reason that the reference data no longer agrees with. Gives a query of
    (source_file, source_row, batch_id, trade_key, earlier_reason).

    before      what screened_trades held before this run
    taken       the last batch that it had taken in
-#}
{% macro touched_rows(before, taken) %}
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

    touched_keys as (
        {{ new_keys(taken) }}
        union
        select before.trade_key
        from {{ before }} as before
        left join withdrawn_files on before.source_file = withdrawn_files.withdrawn_file
        left join known_names
            on
                before.reason = known_names.reason
                and known_names.name = upper(
                    if(
                        before.reason = 'unknown_symbol',
                        {{ trimmed('before.raw_symbol') }},
                        {{ trimmed('before.raw_exchange') }}
                    )
                )
        where
            known_names.name is not null
            or (withdrawn_files.withdrawn_file is not null) != coalesce(before.reason = 'withdrawn', false)
    ),

    buckets as (
        select distinct {{ key_bucket('trade_key') }} as bucket
        from touched_keys
    ),

    nearby as (
        select /*+ broadcast(buckets) */ source_file, source_row, batch_id, trade_key, reason
        from {{ before }} as before
        left semi join buckets on {{ key_bucket('before.trade_key') }} = buckets.bucket
    )

    select nearby.source_file, nearby.source_row, nearby.batch_id, nearby.trade_key, nearby.reason as earlier_reason
    from nearby
    left semi join touched_keys on nearby.trade_key = touched_keys.trade_key
{% endmacro %}
