{#-
    The rows, screened by earlier runs, that have to be screened again: every copy of an id that came anew, or
    of which one copy has a reason that the reference data no longer agrees with. Gives a query of
    (source_file, source_row, earlier_reason).

    before      what screened_trades held before this run
    new_keys    the CTE with the trade_key of each row that came anew
-#}
{% macro touched_rows(before, new_keys) %}
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
        select trade_key from {{ new_keys }}
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
    )

    select before.source_file, before.source_row, before.reason as earlier_reason
    from {{ before }} as before
    left semi join touched_keys on before.trade_key = touched_keys.trade_key
{% endmacro %}
