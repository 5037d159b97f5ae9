{#-
    The start of the half-open window that contains a time, UTC; windows are counted from 1970-01-01 00:00.
    interval: '<n> minute', '<n> hour' or '<n> day'; n may be left out.
-#}
{% macro window_start(column, interval) -%}
    {%- set words = interval.split(' ') -%}
    {%- set count = words[0] | int if words | length == 2 else 1 -%}
    {%- set unit = {'minute': 60, 'hour': 3600, 'day': 86400}[words[-1]] -%}
    timestamp_seconds(unix_seconds({{ column }}) div {{ count * unit }} * {{ count * unit }})
{%- endmacro %}
