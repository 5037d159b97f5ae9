{#- Merges what the query returns: new and changed rows, and tombstones. -#}
{% macro merge_changes(target_relation, sql) %}
    {% call statement('main') %}
        {{ merge_rows(target_relation, sql) }}
    {% endcall %}
{% endmacro %}
