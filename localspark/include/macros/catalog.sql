{#- A table is listed as the engine's own catalog has it; dbt-spark's other macros serve as they are. -#}
{% macro localspark__generate_database_name(custom_database_name=none, node=none) %}
    {% do return(none) %}
{% endmacro %}
