{#-
    A condition on the lineage of raw rows that holds for all of the touched rows, in literals: Delta skips the files of
    other batches and of other source files, as long as those are no more than 100. None if no row is touched, which is
    nearly always so.

    trades      the CTE of raw rows
    before      what screened_trades held before this run
    taken       the last batch that it had taken in
-#}
{% macro in_touched_files(trades, before, taken) %}
    {#- The mark keeps dbt from taking a name for a number or a time. #}
    {%- set query -%}
        select distinct concat('=', source_file), batch_id
        from ({{ touched_rows(before, taken) }})
    {%- endset -%}
    {%- if not execute or taken == 0 -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set names, batches = [], [] -%}
    {%- for row in run_query(query).rows -%}
        {%- do names.append(sql_literal(row[0][1:])) -%}
        {%- do batches.append(row[1] | int) -%}
    {%- endfor -%}
    {%- if not names -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set conditions = [trades ~ '.batch_id between ' ~ batches | min ~ ' and ' ~ batches | max] -%}
    {%- if names | length <= 100 -%}
        {%- do conditions.append(trades ~ '.source_file in (' ~ names | sort | join(', ') ~ ')') -%}
    {%- endif -%}
    {{ return(conditions | join(' and ')) }}
{% endmacro %}
