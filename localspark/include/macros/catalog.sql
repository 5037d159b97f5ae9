{#- The artifacts name Spark's catalog, since tools that draw them expect a name; dbt-spark leaves it out. -#}
{% macro localspark__generate_database_name(custom_database_name=none, node=none) %}
    {% do return(target.database) %}
{% endmacro %}
