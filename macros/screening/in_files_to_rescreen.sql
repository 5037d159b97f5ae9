{#-
    A condition on the file and batch of raw rows that holds for all rows to rescreen, written with literals so that
    Delta skips other files; beyond 100 source files only the batches are compared. None if there is no row to
    rescreen, which is the usual case.

    trades        CTE of the raw rows
    screened      the table screened_trades as the last run left it
    last_batch    the high-water mark: raw rows of later batches are new
-#}
{% macro in_files_to_rescreen(trades, screened, last_batch) %}
    {#- The '=' prefix stops dbt from casting names to numbers or times. #}
    {%- set query -%}
        select distinct concat('=', source_file), batch_id
        from ({{ rows_to_rescreen(screened, last_batch) }})
    {%- endset -%}
    {%- if not execute or last_batch == 0 -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set files, batches = [], [] -%}
    {%- for row in run_query(query).rows -%}
        {%- do files.append(sql_literal(row[0][1:])) -%}
        {%- do batches.append(row[1] | int) -%}
    {%- endfor -%}
    {%- if not files -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set conditions = [trades ~ '.batch_id between ' ~ batches | min ~ ' and ' ~ batches | max] -%}
    {%- if files | length <= 100 -%}
        {%- do conditions.append(trades ~ '.source_file in (' ~ files | sort | join(', ') ~ ')') -%}
    {%- endif -%}
    {{ return(conditions | join(' and ')) }}
{% endmacro %}
