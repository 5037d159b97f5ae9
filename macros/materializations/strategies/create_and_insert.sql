{#- Creates the table from the model's contract, in place of a view or of a table with other columns, and fills it. -#}
{% macro create_and_insert(target_relation, existing_relation, sql) %}
    {%- if existing_relation is not none and existing_relation.is_view -%}
        {%- do adapter.drop_relation(existing_relation) -%}
    {%- endif -%}
    {% call statement('create') %}
        create or replace table {{ target_relation }} (
            {%- for column in model.columns.values() %}
            {{ column.name }} {{ column.data_type }}
            {{- not_null_clause() if column.name in config.require('unique_key') }}
            comment {{ sql_literal(column.description | trim) }}
            {{- ',' if not loop.last }}
            {%- endfor %}
            {{ table_keys(target_relation) }}
        )
        {{ table_layout(target_relation) }}
        comment {{ sql_literal(model.description | trim) }}
    {% endcall %}
    {%- do tag_table(target_relation) -%}
    {% call statement('main') %}
        {{ insert_rows('insert into', target_relation, sql) }}
    {% endcall %}
{% endmacro %}
