{#-
    In Postgres, on the log of the sync: a row for each published table whose row count or checksum differs from those
    of its last sync, when they were equal to the lake's; one row if nothing was ever published.
-#}
{% test published_as_recorded(model) %}

with

recorded as (

    select distinct on (table_name) table_name, rows_total, checksum
    from {{ model }}
    order by table_name, finished_at desc

),

compared as (

    select
        recorded.table_name, recorded.rows_total, found.row_count, recorded.checksum, found.checksum as found_checksum
    from recorded
    cross join lateral crypto.fingerprint(format('crypto.%I', recorded.table_name)::regclass) as found

)

select table_name, rows_total, row_count, checksum, found_checksum
from compared
where rows_total <> row_count or checksum <> found_checksum
union all
select 'nothing was ever published', 0, 0, 0, 0
where not exists (select from recorded)

{% endtest %}
