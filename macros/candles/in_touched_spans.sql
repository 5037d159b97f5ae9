{#-
    A condition on the time of trades or windows that holds for all of the touched windows, in literals: Delta
    skips the files of other times. Touched days that follow one another are one span, so that a late trade
    beside today's does not read the days between; of more than 20 spans the whole is one.
-#}
{% macro in_touched_spans(column, interval, taken) -%}
    {%- set window = window_start('traded_at', interval) -%}
    {%- set query -%}
        with days as (
            select
                cast({{ window }} as date) as day,
                min({{ window }}) as first_start,
                max({{ window }}) + interval {{ interval }} as last_end
            from {{ ref('screened_trades') }}
            where revision > {{ taken }} and traded_at is not null
            group by cast({{ window }} as date)
        ),

        numbered as (
            select *, date_sub(day, row_number() over (order by day)) as span from days
        )

        select cast(min(first_start) as string), cast(max(last_end) as string)
        from numbered
        group by span
        order by span
    {%- endset -%}
    {%- if not execute or taken == 0 -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set spans = run_query(query).rows -%}
    {%- if spans | length > 20 -%}
        {%- set spans = [[spans[0][0], spans[-1][1]]] -%}
    {%- endif -%}
    {%- set conditions = [] -%}
    {%- for span in spans -%}
        {%- do conditions.append(
            column ~ " >= timestamp '" ~ span[0] ~ "' and " ~ column ~ " < timestamp '" ~ span[1] ~ "'"
        ) -%}
    {%- endfor -%}
    {#- To Spark, `where (false)` would be a table's alias with a column. #}
    {{ return('(' ~ conditions | join(' or ') ~ ')' if conditions else 'false') }}
{%- endmacro %}
