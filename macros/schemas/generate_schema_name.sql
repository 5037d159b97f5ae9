{#- A schema has the name of its layer; `schema_prefix` comes before it in a developer's own run on Databricks. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ var('schema_prefix', '') ~ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
