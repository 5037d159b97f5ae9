{#-
    A query of the windows in which a trade was added, removed or changed since the model's last run: the columns of
    `keys`, and window_start.

    interval         length of a window (see window_start)
    last_revision    the high-water mark: trades with a higher revision have changed
    keys             what a window belongs to, such as a symbol
-#}
{% macro changed_windows(interval, last_revision, keys=['symbol']) %}
    select distinct
        {{ keys | join(', ') }},
        {{ window_start('traded_at', interval) }} as window_start
    from {{ ref('screened_trades') }}
    where
        revision > {{ last_revision }}
        and traded_at is not null
        {%- for column in keys %}
        and {{ column }} is not null
        {%- endfor %}
{% endmacro %}
