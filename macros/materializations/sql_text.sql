{#- Writes a text as a SQL literal, for comments. -#}
{% macro sql_text(text) -%}
    '{{ text | trim | replace("\\", "\\\\") | replace("'", "\\'") }}'
{%- endmacro %}
