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
