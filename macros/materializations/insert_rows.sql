{#- Inserts the rows of the query. `command` is 'insert into', or 'insert overwrite' to replace all rows. -#}
{% macro insert_rows(command, target_relation, sql) %}
    {{ command }} {{ target_relation }} ({{ model.columns | join(', ') }})
    {{ live_rows(sql) }}
{% endmacro %}


{#- The rows of the query, in the columns and types of the contract and without tombstones. -#}
{% macro live_rows(sql) -%}
    select {{ contract_columns() }}
    from (
        {{ sql }}
    ) as model_rows
    {%- if config.meta_get('returns', 'all') == 'changes' %}
    where not is_deleted
    {%- endif %}
{%- endmacro %}


{#-
    The columns of a query, each cast to its type in the contract. Sail declares a union, a `case` or an `if` to have the
    type of its first branch, whatever its values are: a table that is created from `0 as volume union all select volume`
    would have whole numbers alone.
-#}
{% macro contract_columns() -%}
    {%- for column in model.columns.values() %}
    cast({{ column.name }} as {{ column.data_type }}) as {{ column.name }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
