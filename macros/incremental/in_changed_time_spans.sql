{#-
    A condition that holds for every time within the changed windows, written with literals so that Delta skips the
    files of other times. Consecutive days with changes form one span: one late trade does not make a run read all days
    between its own and today. More than 20 spans are replaced by the one around them.

    column           the time of trades or windows to be filtered
    interval         length of a window (see window_start)
    last_revision    the high-water mark: trades with a higher revision have changed
-#}
{% macro in_changed_time_spans(column, interval, last_revision) -%}
    {%- set window = window_start('traded_at', interval) -%}
    {%- set days -%}
        select
            cast({{ window }} as date) as day,
            min({{ window }}) as first_start,
            max({{ window }}) + interval {{ interval }} as last_end
        from {{ ref('screened_trades') }}
        where revision > {{ last_revision }} and traded_at is not null
        group by cast({{ window }} as date)
    {%- endset -%}
    {{ return('true' if last_revision == 0 else in_spans(column, days)) }}
{%- endmacro %}


{#- A condition that holds for every time of the days on which a window of staged changes begins. -#}
{% macro in_changed_days(column, staged_relation) -%}
    {%- set day = window_start('window_start', 'day') -%}
    {{ return(in_spans(
        column,
        "select distinct cast(" ~ day ~ " as date) as day, " ~ day ~ " as first_start, "
        ~ day ~ " + interval 1 day as last_end from " ~ staged_relation
    )) }}
{%- endmacro %}


{#- A condition that holds for every time in the spans of days; `days` is a query of day, first_start and last_end. -#}
{% macro in_spans(column, days) -%}
    {%- set query -%}
        -- Consecutive days give the same date here, since both terms grow by one a day.
        with numbered as (
            select first_start, last_end, date_sub(day, row_number() over (order by day)) as span from ({{ days }})
        )

        select cast(min(first_start) as string), cast(max(last_end) as string)
        from numbered
        group by span
        order by span
    {%- endset -%}
    {%- if not execute -%}
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
    {#- `false` stays bare: Spark reads `where (false)` as a table alias with a column. #}
    {{ return('(' ~ conditions | join(' or ') ~ ')' if conditions else 'false') }}
{%- endmacro %}
