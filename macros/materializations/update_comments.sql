{#-
    Writes the descriptions of a table and its columns into the lake, where they differ from what it holds: one commit for
    all columns, one for the table itself, none if nothing has changed. dbt's own persist_docs commits once a column, in
    every run.
-#}
{% macro update_comments(relation) %}
    {%- set held = namespace(columns={}, table='', is_column=true) -%}
    {%- if not execute %}{{ return('') }}{% endif -%}
    {%- for row in run_query('describe table extended ' ~ relation).rows -%}
        {%- if not row[0] or row[0].startswith('#') -%}
            {%- set held.is_column = false -%}
        {%- elif held.is_column -%}
            {%- do held.columns.update({row[0]: (row[2] or '') | trim}) -%}
        {%- elif row[0] == 'Comment' -%}
            {%- set held.table = (row[1] or '') | trim -%}
        {%- endif -%}
    {%- endfor -%}

    {%- set changed = [] -%}
    {%- for column in model.columns.values()
        if held.columns.get(column.name) not in (none, column.description | trim) -%}
        {%- do changed.append(column.name ~ ' comment ' ~ sql_text(column.description)) -%}
    {%- endfor -%}
    {%- if changed -%}
        {%- do run_query('alter table ' ~ relation ~ ' alter column ' ~ changed | join(', ')) -%}
    {%- endif -%}
    {%- if held.table != model.description | trim -%}
        {%- do run_query('comment on table ' ~ relation ~ ' is ' ~ sql_text(model.description)) -%}
    {%- endif -%}
{% endmacro %}
