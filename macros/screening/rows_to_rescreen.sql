{#-
    A query of the rows that earlier runs have screened and this run must screen again: the rows of every trade id that
    new rows repeat, and of every id with a row that the reference data contradicts (its file was withdrawn or restored,
    or its symbol or exchange is now known). It gives source_file, source_row, batch_id, trade_key, and what the
    reference data can change: earlier_reason, earlier_symbol and earlier_exchange.

    Rows that count can't be contradicted by names: ingestion refuses to lose or respell one that has trades.

    screened      the table screened_trades as the last run left it
    last_batch    the high-water mark: raw rows of later batches are new
-#}
{% macro rows_to_rescreen(screened, last_batch) %}
    with withdrawn_files as (
        select source_file as withdrawn_file
        from {{ source('bronze', 'withdrawn_files') }}
    ),

    symbols as (
        {{ names_by_key('symbols', 'symbol') }}
    ),

    exchanges as (
        {{ names_by_key('exchanges', 'exchange') }}
    ),

    changed_keys as (
        {{ new_trade_keys(last_batch) }}
        union
        select screened.trade_key
        from {{ screened }} as screened
        left join withdrawn_files on screened.source_file = withdrawn_files.withdrawn_file
        left join symbols on upper({{ trimmed('screened.raw_symbol') }}) = symbols.symbol_key
        left join exchanges on upper({{ trimmed('screened.raw_exchange') }}) = exchanges.exchange_key
        where
            (withdrawn_files.withdrawn_file is not null) != coalesce(screened.reason = 'withdrawn', false)
            or (
                screened.reason is not null
                and (
                    symbols.symbol is distinct from screened.symbol
                    or exchanges.exchange is distinct from screened.exchange
                )
            )
    ),

    buckets as (
        select distinct {{ key_bucket('trade_key') }} as bucket
        from changed_keys
    ),

    rows_in_buckets as (
        select /*+ broadcast(buckets) */
            source_file, source_row, batch_id, trade_key,
            reason as earlier_reason, symbol as earlier_symbol, exchange as earlier_exchange
        from {{ screened }} as screened
        left semi join buckets on {{ key_bucket('screened.trade_key') }} = buckets.bucket
    )

    select source_file, source_row, batch_id, trade_key, earlier_reason, earlier_symbol, earlier_exchange
    from rows_in_buckets
    left semi join changed_keys on rows_in_buckets.trade_key = changed_keys.trade_key
{% endmacro %}
