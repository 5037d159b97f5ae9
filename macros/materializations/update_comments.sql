{#-
    Writes the descriptions of a table and its columns to the lake as comments where they have changed, and nothing if
    none has. dbt's persist_docs would make a commit for each column in every run.
-#}
{% macro update_comments(relation) %}
    {%- set current = namespace(columns={}, table='', is_column=true) -%}
    {%- if not execute %}{{ return('') }}{% endif -%}
    {%- for row in run_query('describe table extended ' ~ relation).rows -%}
        {%- if not row[0] or row[0].startswith('#') -%}
            {%- set current.is_column = false -%}
        {%- elif current.is_column -%}
            {%- do current.columns.update({row[0]: (row[2] or '') | trim}) -%}
        {%- elif row[0] == 'Comment' -%}
            {%- set current.table = (row[1] or '') | trim -%}
        {%- endif -%}
    {%- endfor -%}

    {%- set changed = [] -%}
    {%- for column in model.columns.values()
        if current.columns.get(column.name) not in (none, column.description | trim) -%}
        {%- do changed.append(column.name ~ ' comment ' ~ sql_literal(column.description | trim)) -%}
    {%- endfor -%}
    {%- if changed -%}
        {%- do run_query('alter table ' ~ relation ~ ' alter column ' ~ changed | join(', ')) -%}
    {%- endif -%}
    {%- if current.table != model.description | trim -%}
        {%- do run_query('comment on table ' ~ relation ~ ' is ' ~ sql_literal(model.description | trim)) -%}
    {%- endif -%}
{% endmacro %}
