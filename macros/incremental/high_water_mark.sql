{#-
    The high-water mark of an incremental model: the highest number that its table holds in a column. Rows above it are
    new. It is a literal, by which Delta skips the files without new rows, and 0 before the first run and in a full
    refresh, when everything is new. Unit tests set it by `overrides`, since they have no table to ask.
-#}
{% macro high_water_mark(column) -%}
    {{ return(0 if should_full_refresh() else highest_value(column)) }}
{%- endmacro %}


{#- The highest number in a column of this model's table, even in a full refresh; 0 if there is none. -#}
{% macro highest_value(column) %}
    {%- if execute and load_cached_relation(this) is not none -%}
        {{ return(run_query("select coalesce(max(" ~ column ~ "), 0) from " ~ this).rows[0][0] | int) }}
    {%- endif -%}
    {{ return(0) }}
{% endmacro %}
