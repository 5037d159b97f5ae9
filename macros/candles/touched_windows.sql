{#-
    The windows that trades have touched since the table's last run, whether the trades came, went or changed:
    a query of the keys and window_start.
-#}
{% macro touched_windows(interval, keys=['symbol']) %}
    select distinct
        {{ keys | join(', ') }},
        {{ window_start('traded_at', interval) }} as window_start
    from {{ ref('screened_trades') }}
    where
        revision > (select coalesce(max(revision), 0) from {{ earlier(this) }})
        and traded_at is not null
        {%- for column in keys %}
        and {{ column }} is not null
        {%- endfor %}
{% endmacro %}
