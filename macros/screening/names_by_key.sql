{#-
    A query of the names in a table of reference data and the key by which trades match them, <column>_key: case does not
    matter. Postgres refuses a second spelling; whatever the table holds, a trade must not match twice.
-#}
{% macro names_by_key(table, column) %}
    select upper({{ column }}) as {{ column }}_key, min({{ column }}) as {{ column }}
    from {{ source('bronze', table) }}
    group by upper({{ column }})
{% endmacro %}
