{#-
    Parity, in Postgres: one row if the table's row count and checksum are not those of its last sync, which were
    the lake's, or if it was never published.
-#}
{% test published_as_recorded(model) %}

with

recorded as (

    select rows_total, checksum
    from {{ source('crypto', 'sync_runs') }}
    where table_name = '{{ model.identifier }}'
    order by finished_at desc
    limit 1

),

found as (

    select row_count, checksum
    from crypto.fingerprint('{{ model.schema }}.{{ model.identifier }}')

)

select found.row_count, found.checksum, recorded.rows_total, recorded.checksum as recorded_checksum
from found
left join recorded on found.row_count = recorded.rows_total and found.checksum = recorded.checksum
where recorded.rows_total is null

{% endtest %}
