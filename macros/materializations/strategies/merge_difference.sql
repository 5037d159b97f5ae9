{#-
    Compares all rows of the query with those of the table and merges the difference. A merge rewrites each file with a
    matched row, changed or not, so it is given only the rows that differ and leaves the other files as they are.
-#}
{% macro merge_difference(target_relation, sql) %}
    {%- set keys = config.require('unique_key') -%}
    {%- set difference %}
        with query_rows as (
            {{ live_rows(sql) }}
        )

        select
            {%- for column in model.columns %}
            {%- if column in keys %}
            coalesce(query_rows.{{ column }}, table_rows.{{ column }}) as {{ column }},
            {%- else %}
            query_rows.{{ column }},
            {%- endif %}
            {%- endfor %}
            query_rows.{{ keys[0] }} is null as is_deleted
        from query_rows
        full outer join {{ target_relation }} as table_rows on {{ keys_match('query_rows', 'table_rows') }}
        where
            query_rows.{{ keys[0] }} is null
            or table_rows.{{ keys[0] }} is null
            or {{ rows_differ('table_rows', 'query_rows') }}
    {%- endset -%}
    {{ merge_changes(target_relation, difference) }}
{% endmacro %}
