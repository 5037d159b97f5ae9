{#-
    The windows that trades have touched since the table's last run, whether the trades came, went or changed:
    a query of the keys and window_start.

    taken       the revision of the trades that the table has taken in
-#}
{% macro touched_windows(interval, taken, keys=['symbol']) %}
    select distinct
        {{ keys | join(', ') }},
        {{ window_start('traded_at', interval) }} as window_start
    from {{ ref('screened_trades') }}
    where
        revision > {{ taken }}
        and traded_at is not null
        {%- for column in keys %}
        and {{ column }} is not null
        {%- endfor %}
{% endmacro %}


{#-
    A condition on the time of trades or windows that holds for all of the touched windows, in literals: Delta
    skips the files of other times.
-#}
{% macro in_touched_span(column, interval, taken) -%}
    {%- set query -%}
        select
            cast(min({{ window_start('traded_at', interval) }}) as string),
            cast(max({{ window_start('traded_at', interval) }}) + interval {{ interval }} as string)
        from {{ ref('screened_trades') }}
        where revision > {{ taken }}
    {%- endset -%}
    {%- if execute and taken > 0 -%}
        {%- set found = run_query(query).rows[0] -%}
        {%- if found[0] is none -%} false
        {%- else -%}
            {{ column }} >= timestamp '{{ found[0] }}' and {{ column }} < timestamp '{{ found[1] }}'
        {%- endif -%}
    {%- else -%} true
    {%- endif -%}
{%- endmacro %}
