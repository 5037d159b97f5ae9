{#- Writes a text as a SQL string literal. -#}
{% macro sql_literal(text) -%}
    '{{ text | replace("\\", "\\\\") | replace("'", "\\'") }}'
{%- endmacro %}
