{#-
    What a `keyed_table` held before this run: the table itself, or nothing of it in a full refresh.
    A model that asks it which rows are new needs no branch of its own for the first run or a full refresh.
-#}
{% macro earlier(relation) -%}
    {%- if should_full_refresh() and model.resource_type != 'unit_test' -%}
        (select * from {{ relation }} where false)
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}
