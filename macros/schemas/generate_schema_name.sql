{#- A layer is a schema of its own name. On Databricks a developer's own run puts `schema_prefix` before it. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ var('schema_prefix', '') ~ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
