{#- Inserts the rows of the query. `command` is 'insert into', or 'insert overwrite' to replace all rows. -#}
{% macro insert_rows(command, target_relation, sql) %}
    {{ command }} {{ target_relation }} ({{ model.columns | join(', ') }})
    {{ live_rows(sql) }}
{% endmacro %}


{#- The rows of the query, in the columns of the contract and without tombstones. -#}
{% macro live_rows(sql) -%}
    select {{ model.columns | join(', ') }}
    from (
        {{ sql }}
    ) as model_rows
    {%- if config.meta_get('returns', 'all') == 'changes' %}
    where not is_deleted
    {%- endif %}
{%- endmacro %}
