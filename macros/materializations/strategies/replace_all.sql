{#- Replaces all rows in one commit, in a full refresh of a table that is too large to compare. -#}
{% macro replace_all(target_relation, sql) %}
    {% call statement('main') %}
        {{ insert_rows('insert overwrite', target_relation, sql) }}
    {% endcall %}
{% endmacro %}
