{#-
    What a `keyed_table` has taken in: the highest number in one of its columns, as a literal, by which Delta skips
    the files that hold nothing new. 0 before the first run and in a full refresh, which take in everything.
    Unit tests give it by `overrides`, since they have no table to ask.
-#}
{% macro taken_in(column) -%}
    {{ return(0 if should_full_refresh() else highest(column)) }}
{%- endmacro %}


{#- The highest number in a column of this table, a full refresh or not; 0 if there is none. -#}
{% macro highest(column) %}
    {%- if execute and load_cached_relation(this) is not none -%}
        {{ return(run_query("select coalesce(max(" ~ column ~ "), 0) from " ~ this).rows[0][0] | int) }}
    {%- endif -%}
    {{ return(0) }}
{% endmacro %}
